"""Bias correction: the mean of every channel is brought back, and nothing but biases changes."""

from __future__ import annotations

import numpy as np
import pytest
from support import artifacts

from tinyc.network import backend
from tinyc.quantization.bias_correction import correct_biases, means, response, tap_means
from tinyc.quantization.convert import calibrated, from_calibrated, to_int16_tflite
from tinyc.quantization.int4 import to_int4
from tinyc.tflite.read.counterparts import BIAS, INPUT, WEIGHTS, heavy, pairs, unpack
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.pool import Pool

SAMPLES = 24


@pytest.fixture(scope="module")
def files():
    samples = artifacts.samples(SAMPLES)
    model = artifacts.network()
    source = calibrated(model, samples, True)
    return model, samples, source, to_int4(from_calibrated(source, "net", True), source).content


def off(content, source, samples):
    """The mean error of each channel of each layer, largest first, against the layer's own mean size."""
    found = pairs(unpack(content), unpack(source))
    ours = means(content, [pair.made for pair in found], samples)
    theirs = means(source, [pair.source for pair in found], samples)
    return [float(np.abs(one - other).max() / np.abs(other).mean()) for one, other in zip(ours, theirs, strict=True)]


def test_every_channel_gets_its_mean_back(files):
    _, samples, source, content = files
    corrected = correct_biases(content, source, samples)
    assert len(corrected.layers) == 10
    assert corrected.examples == SAMPLES
    assert corrected.left == ()
    before, after = (off(each, source, samples) for each in (content, corrected.content))
    assert max(before) > 0.1
    assert max(after) < 0.01
    assert correct_biases(content, source, samples).content == corrected.content


def test_nothing_but_biases_changes(files):
    _, samples, source, content = files
    corrected = correct_biases(content, source, samples).content
    for one, other in zip(heavy(unpack(content)), heavy(unpack(corrected)), strict=True):
        np.testing.assert_array_equal(one.floats(WEIGHTS), other.floats(WEIGHTS))
        assert not np.array_equal(one.floats(BIAS), other.floats(BIAS))
        assert one.tensor(BIAS).quantization.scale.tolist() == other.tensor(BIAS).quantization.scale.tolist()
    ops = [[op.name for op in describe(each).ops] for each in (content, corrected)]
    assert ops[0] == ops[1]


def test_outputs_come_nearer_to_the_float_networks(files):
    model, samples, source, content = files
    corrected = correct_biases(content, source, samples).content
    wanted = model(artifacts.samples(120), training=False).numpy()
    with Pool() as pool:
        errors = [
            float(np.sqrt(np.mean((pool.run(each, artifacts.samples(120), "tflm").outputs - wanted) ** 2)))
            for each in (content, corrected)
        ]
    assert errors[1] < 0.9 * errors[0]


def test_biases_of_int16_networks_are_wider_and_corrected_too(files):
    model, samples, source, _ = files
    content = to_int16_tflite(model, samples, True)
    corrected = correct_biases(content, source, samples).content
    assert max(off(corrected, source, samples)) < 0.1 * max(off(content, source, samples))


CONVOLUTIONS = [
    ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "strides": 2, "padding": "same"}),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 2, "padding": "valid"}),
    ("DepthwiseConv2D", {"kernel_size": 3, "strides": 2, "depth_multiplier": 2, "padding": "same"}),
    ("DepthwiseConv2D", {"kernel_size": 2, "padding": "valid"}),
]


@pytest.mark.parametrize(("kind", "options"), CONVOLUTIONS)
def test_a_mean_output_follows_from_the_mean_under_each_tap(kind, options):
    keras = backend.keras()
    images = keras.layers.Input((7, 8, 4))
    layer = getattr(keras.layers, kind)(**options, name="conv")
    model = keras.Model(images, keras.layers.Flatten()(layer(images)))
    x = np.random.default_rng(2).standard_normal((1, 7, 8, 4)).astype(np.float32)
    (work,) = heavy(unpack(calibrated(model, x, True)))
    assert work.operator.inputs[INPUT] >= 0
    wanted = layer(x).numpy().mean(axis=(0, 1, 2))
    np.testing.assert_allclose(response(work, tap_means(work, x.astype(np.float64))), wanted, atol=1e-5)
