"""Every pass that makes a network anew keeps what a Normalization was adapted to, before the network and within it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import artifacts

from tinyc.data.inputs import inputs
from tinyc.network import backend, sources
from tinyc.network.flatten import flat
from tinyc.network.logits import cut_softmax
from tinyc.network.state import Net
from tinyc.quantization import batch_statistics
from tinyc.run import stored
from tinyc.spec.passes import PASSES, apply
from tinyc.tflite.run.pool import Pool

TRAINING = {"epochs": 1, "batch": 50}
NETS: list[dict[str, Any]] = [
    {"use": "prune", "how": "channels", "fraction": 0.4, **TRAINING},
    {"use": "prune", "how": "magnitude", "sparsity": 0.3, **TRAINING},
    {"use": "factorize", "rank": 4, **TRAINING},
    {"use": "cluster", "clusters": 8, **TRAINING},
    {"use": "federate", "engine": "process", "clients": 2, "rounds": 1, "batch": 50},
    {"use": "federate", "engine": "process", "clients": 2, "rounds": 1, "batch": 50, "fake_quantize": True},
]
FLATS: list[dict[str, Any]] = [
    {"how": "ptq", "equalize": True},
    {"how": "ptq", "precision": "auto", "flash": "9 KiB"},
    {"how": "qat", "epochs": 0},
]


@functools.cache
def statistics() -> dict[str, tuple[Any, Any]]:
    """What the two layers are adapted to, by hand: mean and variance."""
    draw = np.random.default_rng(5)
    seen = {"before": artifacts.samples(100), "within": draw.normal(2, [[[[1, 2, 3, 4, 5, 6]]]], (50, 6, 6, 6))}
    return {name: (x.mean((0, 1, 2)), x.var((0, 1, 2))) for name, x in seen.items()}


def network() -> Any:
    keras = backend.keras()
    layers, draw = keras.layers, np.random.default_rng(5)
    backend.seed_everything(5)
    x = given = keras.Input((14, 14, 1))
    x = layers.Normalization(name="before")(x)
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(8, 3, 2, name="one")(x))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="two")(layers.ReLU(name="bent")(x))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="three")(layers.Normalization(name="within")(x))
    x = layers.Dense(16, activation="relu", name="hidden")(layers.GlobalAveragePooling2D(name="pool")(x))
    model = keras.Model(given, layers.Dense(10, name="logits")(x), name="net")
    adapt(model)
    for variable in model.get_layer("norm").weights:
        variable.assign(draw.uniform(0.5, 1.5, variable.shape))
    return model


def adapt(model: Any) -> None:
    for name, (mean, variance) in statistics().items():
        model.get_layer(name).set_weights([mean, variance, 100])


def assert_adapted(model: Any) -> None:
    for name, (mean, variance) in statistics().items():
        layer = model.get_layer(name)
        x = np.random.default_rng(6).normal(size=(2, *layer.input_shape[1:])).astype(np.float32)
        np.testing.assert_allclose(layer(x), (x - mean) / np.sqrt(variance), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("keys", NETS, ids=lambda keys: f"{keys['use']} {keys.get('how', '')}")
def test_a_network_that_a_pass_made(keys: dict[str, Any], tmp_path: Path) -> None:
    given = Net(network(), artifacts.TASK)
    made = apply(PASSES[keys["use"]].model_validate(keys), given, artifacts.context(tmp_path, source=given)).state
    assert_adapted(made.model)
    (tmp_path / "net.h5").write_bytes(stored.network_file(made)["net.h5"])
    assert_adapted(sources.read_network(tmp_path / "net.h5", "it"))
    assert_adapted(made.clone().model)


@pytest.mark.parametrize("keys", FLATS, ids=lambda keys: keys["how"])
def test_an_artifact_that_was_made_of_it(keys: dict[str, Any], tmp_path: Path) -> None:
    given = Net(network(), artifacts.TASK)
    made = PASSES["quantize"].model_validate({"use": "quantize", **keys})
    outcome = apply(made, given, artifacts.context(tmp_path, source=given))
    x = inputs(artifacts.images()[0][200:], given.task)
    with Pool(1) as pool:
        outputs = pool.run(outcome.state.content, x, "tflm").outputs
    wanted = np.asarray(given.model(x, training=False))
    assert np.abs(outputs.reshape(wanted.shape) - wanted).max() < 0.2 * np.ptp(wanted)


def test_statistics_of_batches_taken_anew() -> None:
    made, seen = batch_statistics.reestimate(network(), artifacts.data(), artifacts.TASK, seed=1)
    assert seen == 200
    assert_adapted(made)


def test_networks_that_were_taken_apart() -> None:
    keras = backend.keras()
    inner = network()
    nested = keras.Sequential([keras.Input((14, 14, 1)), inner, keras.layers.Softmax()])
    assert_adapted(cut_softmax(flat(nested, "it"), "it"))
