"""A MobileNetV3 block written with operators, from a file through the command line: cut, trained in int8, exact."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import stripes
from support.pruning_networks import choose, randomized, relative_error, zeroed

from tinyc import cli
from tinyc.compression.pruning.layer_amounts import resolve_amounts
from tinyc.compression.pruning.structured import Ranking
from tinyc.compression.pruning.surgery import remove_channels
from tinyc.network import backend
from tinyc.network.flatten import flat
from tinyc.network.rewriting.function_layers import is_function
from tinyc.network.rewriting.functions import in_layers
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.qat import quantization_aware
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.integer import float_tensors

RECIPE = """
name = "operators"
seed = 1

[source]
file = "net.keras"

[data]
path = "data.npz"

[[pass]]
use = "prune"
how = "channels"
fraction = 0.25
epochs = 4
batch = 20

[[pass]]
use = "quantize"
how = "qat"
epochs = 2
batch = 20

[[pass]]
use = "export"

[[pass]]
use = "verify"
"""


def block():
    """Convolution, hard swish, squeeze and excite, shortcut; all in operators."""
    backend.seed_everything(1)
    tf, keras = backend.tensorflow(), backend.keras()
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(12, 3, padding="same", use_bias=False)(image / 255.0)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = x * tf.nn.relu6(x + 3.0) * (1 / 6)
    squeezed = layers.Conv2D(6, 1, activation="relu")(tf.reduce_mean(x, [1, 2], keepdims=True))
    gate = tf.nn.relu6(layers.Conv2D(12, 1)(squeezed) + 3.0) / 6
    x = layers.Conv2D(12, 1)(x * gate) + x
    return keras.Model(image, layers.Dense(4)(tf.reduce_mean(x, [1, 2])))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("operators")
    x, y = stripes.images()
    keras = backend.keras()
    model = block()
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x[:216], y[:216], epochs=30, batch_size=30, verbose=0)
    model.save(folder / "net.keras")
    np.savez(folder / "data.npz", x_train=x[:216], y_train=y[:216], x_test=x[216:], y_test=y[216:])
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.mark.slow
def test_it_is_cut_and_trained_and_ends_in_int8_near_where_it_began(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It came as calls of functions: pruning kept all of it whole, and then quantization ended in a traceback."""
    out = trained / "runs"
    assert cli.invoke(["compress", str(trained / "recipe.toml"), "--out", str(out)]) == 0
    assert "functions of TensorFlow became layers (" in capsys.readouterr().out
    report = json.loads((out / "operators" / "report.json").read_text())
    before, after = report["source"], report["final"]
    assert after["params"] < 0.75 * before["params"]
    assert before["accuracy"] == 1.0
    assert after["accuracy"] >= 0.97
    content = (out / "operators" / "model.tflite").read_bytes()
    assert float_tensors(content) == 0
    assert "HARD_SWISH" in {op.name for op in describe(content).ops}


@pytest.mark.long
@pytest.mark.parametrize("minimalistic", [False, True])
def test_mobilenet_v3_small_is_cut_and_is_int8_either_way(minimalistic: bool) -> None:
    keras = backend.keras()
    options = {"weights": None, "classes": 10, "classifier_activation": None, "minimalistic": minimalistic}
    model = randomized(in_layers(flat(keras.applications.MobileNetV3Small((64, 64, 3), **options), "here")))
    assert not any(map(is_function, model.layers))
    choice = choose(model, Ranking(0.4), resolve_amounts(model, 0.4, [], [], "prune"), "prune", None)
    smaller = remove_channels(model, choice.graph, choice.keep)
    x = np.random.default_rng(0).uniform(0, 255, (24, 64, 64, 3)).astype(np.float32)
    assert relative_error(smaller, zeroed(model, choice.graph, choice.keep), x) <= 1e-5
    assert smaller.count_params() < 0.5 * model.count_params()
    assert {each.layer for each in choice.skipped} == {"Logits"}
    wanted = smaller(x).numpy()
    with Pool(1) as pool:
        for content in (
            to_int8_tflite(smaller, x, False),
            to_int8_tflite(quantization_aware(smaller, x).model, x, False),
        ):
            tflm, reference = (pool.run(content, x[:8], runtime) for runtime in ("tflm", "reference"))
            np.testing.assert_array_equal(tflm.raw, reference.raw)
            assert np.abs(tflm.outputs - wanted[:8]).max() <= 0.25 * np.ptp(wanted)
