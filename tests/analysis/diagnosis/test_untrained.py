"""Layers without weights to train: told where they are computed, and first of all causes where they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import artifacts, broken, chains

from tinyc.analysis.diagnosis.diagnose import diagnose
from tinyc.analysis.diagnosis.record import Diagnosis
from tinyc.data.inputs import inputs
from tinyc.network import backend
from tinyc.network.rewriting.functions import in_layers
from tinyc.network.state import Flat, Net
from tinyc.quantization.convert import to_int8_tflite
from tinyc.report.diagnosis import text
from tinyc.tflite.run.pool import Pool

keras = backend.keras()
layers = keras.layers
MEAN, VARIANCE = 0.3, 0.04


def chain(*made: Any) -> Any:
    return chains.chain((14, 14, 1), *made)


def normalized(mean: float = MEAN, variance: float = VARIANCE) -> Any:
    """A convolution over a Normalization; one seed, so that all have the same kernels."""
    backend.seed_everything(5)
    return chain(
        layers.Normalization(mean=mean, variance=variance, name="adapted"),
        layers.Conv2D(8, 3, name="conv"),
        layers.ReLU(name="relu"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(10, name="logits"),
    )


def two_branches() -> Any:
    image = keras.Input((14, 14, 1))
    one, other = layers.Normalization(mean=MEAN, variance=0.05)(image), layers.Rescaling(3.0)(image)
    x = layers.Concatenate()([layers.Conv2D(8, 3)(one), layers.Conv2D(8, 3)(other)])
    x = layers.Activation("swish")(layers.Add()([x, layers.Rescaling(0.5)(x)]))
    return keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def operators() -> Any:
    image = keras.Input((14, 14, 1))
    x = layers.Conv2D(8, 3)(image)
    x = 2 * (x * keras.backend.relu(x + 3.0, max_value=6.0) / 6.0) - 1
    return in_layers(keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x))))


def moved() -> Any:
    return chain(
        layers.ZeroPadding2D(1), layers.Conv2D(8, 3), layers.Cropping2D(2), layers.MaxPooling2D(),
        layers.UpSampling2D(), layers.LeakyReLU(0.2), layers.Flatten(), layers.Dropout(0.3), layers.Dense(10),
    )  # fmt: skip


def frozen() -> Any:
    fixed = keras.initializers.Constant
    return chain(
        layers.Conv2D(8, 3),
        layers.BatchNormalization(
            trainable=False, moving_mean_initializer=fixed(0.2), moving_variance_initializer=fixed(3)
        ),
        layers.ReLU(),
        layers.Normalization(mean=np.linspace(0.1, 0.5, 8), variance=np.linspace(0.01, 4, 8)),
        layers.DepthwiseConv2D(3),
        layers.ReLU(6.0),
        layers.Flatten(),
        layers.Dense(10),
    )


def lowered(model: Any) -> bytes:
    return to_int8_tflite(model, inputs(artifacts.data().calibration.x, artifacts.TASK), False)


def found(pool: Pool, model: Any, content: bytes, **options: Any) -> Diagnosis:
    net, flat = Net(model, artifacts.TASK), Flat(content, artifacts.TASK)
    return diagnose(net, flat, artifacts.data(), pool, {**broken.OPTIONS, **options})


@pytest.mark.parametrize("build", [normalized, two_branches, operators, moved, frozen])
def test_what_a_converter_makes_of_layers_gives_no_alarm(pool: Pool, build: Callable[[], Any]) -> None:
    model = build()
    seen = found(pool, model, lowered(model))
    assert seen.untrained
    assert {each.state for each in seen.untrained} <= {"compared", "folded"}
    assert all(each.whole_db is None or each.whole_db > 20 for each in seen.untrained)
    assert not {cause.kind for cause in seen.causes} & {"lost computation", "changed computation"}


def test_a_layer_without_an_operator_of_its_own_is_shown_with_its_figure(pool: Pool) -> None:
    model = normalized(mean=0.0)
    seen = found(pool, model, lowered(model))
    adapted = next(each for each in seen.untrained if each.layer == "adapted")
    assert (adapted.state, adapted.row) == ("folded", "conv")
    assert "adapted" not in {each.layer for each in seen.layers}
    told = " ".join(text("run", "quantize", (None, None), seen, 80))
    assert f"adapted in conv ({adapted.whole_db:.0f} dB)" in told
    assert adapted.to_json() in seen.to_json()["untrained"]


def test_a_lost_layer_is_the_first_cause(pool: Pool) -> None:
    seen = found(pool, normalized(), lowered(normalized(0.0, 1.0)))
    assert (seen.causes[0].kind, seen.causes[0].layer) == ("lost computation", "adapted")
    assert seen.causes[0].recipe == ()
    assert "without it" in seen.causes[0].evidence


def dense(mean: float, variance: float) -> Any:
    backend.seed_everything(5)
    return chain(
        layers.Flatten(),
        layers.Normalization(mean=mean, variance=variance, name="adapted"),
        layers.Dense(16, "relu"),
        layers.Dense(10),
    )


def test_a_changed_layer_is_the_first_cause(pool: Pool) -> None:
    seen = found(pool, dense(MEAN, VARIANCE), lowered(dense(-2.0, 0.5)))
    assert (seen.causes[0].kind, seen.causes[0].layer) == ("changed computation", "adapted")


def test_what_may_be_coarse_weights_or_a_changed_layer_is_called_neither(pool: Pool) -> None:
    seen = found(pool, normalized(), lowered(normalized(-2.0, 0.5)))
    assert seen.untrained[0].state == "unclear"
    assert "adapted in conv (unknown" in " ".join(text("run", "quantize", (None, None), seen, 200))


def fit(model: Any) -> bytes:
    """Train a network for a moment under int8 rounding, and lower it."""
    from tinyc.quantization.qat import quantization_aware

    data = artifacts.data()
    x = inputs(data.train.x, artifacts.TASK)
    trained = quantization_aware(model, x[:50]).model
    trained.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    trained.fit(x, data.train.y, 20, 2, verbose=0)
    return lowered(trained)


def relu6_after_adding() -> Any:
    """Wrappers keep the addition as an operator, which takes in the ReLU that the float file's convolution has."""
    image = keras.Input((14, 14, 1))
    x = layers.Conv2D(8, 3, name="conv")(image)
    x = keras.backend.relu(x + 3.0, max_value=6.0) / 6.0
    return in_layers(keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x))))


@pytest.mark.parametrize("build", [two_branches, operators, relu6_after_adding, moved, frozen])
def test_what_training_under_rounding_fuses_otherwise_gives_no_alarm(pool: Pool, build: Callable[[], Any]) -> None:
    backend.seed_everything(3)
    model = build()
    seen = found(pool, model, fit(model), how="qat")
    assert seen.untrained
    assert not [each for each in seen.untrained if each.is_wrong]


@pytest.mark.parametrize(("wrapped_as", "wrong"), [((MEAN, VARIANCE), False), ((0.0, 1.0), True)])
def test_after_training_under_rounding(pool: Pool, wrapped_as: tuple[float, float], wrong: bool) -> None:
    """A wrapper that lost what a Normalization was adapted to gives the network of mean 0 and variance 1."""
    seen = found(pool, normalized(), fit(normalized(*wrapped_as)), how="qat")
    adapted = next(each for each in seen.untrained if each.layer == "adapted")
    assert (adapted.state == "lost") == wrong
    assert adapted.is_wrong == wrong
    if wrong:
        assert (seen.causes[0].kind, seen.causes[0].layer) == ("lost computation", "adapted")
        assert seen.causes[0].recipe == ('how = "ptq"',)
