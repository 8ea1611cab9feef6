"""Conversion: int8 throughout, static, named by layer, the same bytes every time, silent, and clear in refusing."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import artifacts, chains

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.float_tflite import to_float_tflite
from tinyc.quantization.convert import calibrated, from_calibrated, to_int8_tflite
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.integer import float_tensors

DYNAMIC = {"SHAPE", "STRIDED_SLICE", "PACK", "READ_VARIABLE"}


def chain(*names, shape=(8, 8, 2)):
    """A network of one layer after another, ending flat in three logits."""
    layers = backend.keras().layers
    backend.seed_everything(1)
    return chains.chain(shape, *names, layers.Flatten(), layers.Dense(3, name="logits"), name="net")


def test_int8_throughout_with_a_static_batch():
    described = describe(artifacts.content())
    assert described.inputs[0].shape == (1, 14, 14, 1)
    assert (described.inputs[0].dtype, described.outputs[0].dtype) == ("int8", "int8")
    assert {tensor.dtype for tensor in described.tensors} == {"int8", "int32"}
    assert not {op.name for op in described.ops} & DYNAMIC
    assert described.inputs[0].scales[0] == pytest.approx(1 / 255, rel=1e-3)


def test_reshape_and_flatten_stay_static():
    layers = backend.keras().layers
    model = chain(layers.Conv2D(4, 3), layers.Reshape((36, 4)), layers.Permute((2, 1)))
    calibration = np.random.default_rng(1).random((4, 8, 8, 2), dtype=np.float32)
    assert not {op.name for op in describe(to_int8_tflite(model, calibration)).ops} & DYNAMIC


def test_every_operator_is_named_after_its_layer():
    kept = {layer.name for layer in artifacts.network().layers}
    for content in (artifacts.content(), to_float_tflite(artifacts.network())):
        layers = [op.layer for op in describe(content).ops]
        assert set(layers) <= kept
        assert layers[-1] == "logits"


def test_the_same_network_gives_the_same_bytes_in_any_process():
    here = hashlib.sha256(artifacts.content()).hexdigest()
    again = to_int8_tflite(artifacts.network(), artifacts.samples())
    assert hashlib.sha256(again).hexdigest() == here
    code = "from support import artifacts; import hashlib; print(hashlib.sha256(artifacts.content()).hexdigest())"
    folders = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": folders}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.split()[-1] == here


def test_conversion_is_silent(capfd):
    to_int8_tflite(artifacts.network(), artifacts.samples(2))
    assert capfd.readouterr() == ("", "")


def test_float_and_int8_compute_what_the_network_computes():
    x = artifacts.samples(20)
    expected = artifacts.network()(x).numpy()
    with Pool(1) as pool:
        floats = pool.run(to_float_tflite(artifacts.network()), x, "reference").outputs
        integers = pool.run(artifacts.content(), x, "tflm").outputs
    np.testing.assert_allclose(floats, expected, atol=1e-4)
    assert np.abs(integers - expected).max() < 0.1 * np.ptp(expected)


def test_dense_weights_per_channel_or_per_tensor():
    for per_channel, count in ((True, 10), (False, 1)):
        described = describe(artifacts.content(per_channel))
        dense = next(op for op in described.ops if op.name == "FULLY_CONNECTED")
        assert len(described.tensors[dense.inputs[1]].scales) == count
        convolution = next(op for op in described.ops if op.name == "CONV_2D")
        assert len(described.tensors[convolution.inputs[1]].scales) == 4


def bad_networks():
    tf, layers = backend.tensorflow(), backend.keras().layers
    return {
        "float": chain(layers.Conv2D(4, 3), layers.Activation(tf.floor, name="steps")),
        "unknown": chain(layers.Activation(tf.math.erfinv)),
        "loop": chain(layers.Reshape((8, 16)), layers.LSTM(4, name="memory")),
        "groups": chain(layers.Conv2D(4, 3), layers.GroupNormalization(2, name="norm")),
    }


@pytest.mark.parametrize(
    ("kind", "where", "problem"),
    [
        ("float", "steps", "FLOOR stays in float"),
        ("unknown", "net", "Erfinv has no TensorFlow Lite form"),
        ("loop", "'memory'", "loops or branches"),
        ("groups", "norm", "GroupNormalization has no int8 form here"),
    ],
)
def test_what_has_no_int8_form_is_named(kind, where, problem):
    with pytest.raises(UserError, match=problem) as raised:
        to_int8_tflite(bad_networks()[kind], np.random.default_rng(1).random((4, 8, 8, 2), dtype=np.float32))
    assert where in raised.value.where
    assert raised.value.remedy
    assert "unroll" not in raised.value.remedy


def subclassed():
    keras: Any = backend.keras()

    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.first, self.head = keras.layers.Conv2D(3, 3), keras.layers.Dense(4)

        def call(self, x):
            return self.head(keras.layers.Flatten()(self.first(x)))

    return Own()


def test_a_subclassed_network_converts_once_it_was_called():
    model = subclassed()
    with pytest.raises(UserError, match="has never been called"):
        to_int8_tflite(model, artifacts.samples(4))
    model(artifacts.samples(2))
    assert describe(to_int8_tflite(model, artifacts.samples(4))).inputs[0].shape == (1, 14, 14, 1)


def test_an_unrolled_lstm_is_int8_at_every_call():
    """The converter alone leaves its SPLIT in float in up to two calls of five."""
    keras = backend.keras()
    image = keras.Input((14, 14, 1))
    x = keras.layers.LSTM(5, unroll=True)(keras.layers.Reshape((14, 14))(image))
    model = keras.Model(image, keras.layers.Dense(10)(x), name="unrolled")
    given = calibrated(model, artifacts.samples(), False)
    assert len({from_calibrated(given, "unrolled", False) for _ in range(12)}) == 1
    assert float_tensors(from_calibrated(given, "unrolled", False)) == 0
