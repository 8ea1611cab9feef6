"""Ranges that outliers do not set: what is clipped, what it gains, and what stays as the converter has it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from support import artifacts, sentences

from tinyc.network import backend
from tinyc.network.float_tflite import run
from tinyc.quantization.calibration import BINS, Clip, Seen, choose, measure
from tinyc.quantization.convert import int8_converter, quantized, to_clipped_int8_tflite, to_int8_tflite
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.pool import Pool


def seen(values):
    found = Seen(np.inf, -np.inf, np.zeros(BINS, np.int64))
    found.add(np.asarray(values, np.float32))
    return found


def with_outlier():
    """A network whose first layer answers to one colour, which a single pixel has, with a value of 60."""
    keras = backend.keras()
    layers = keras.layers
    backend.seed_everything(3)
    images = keras.Input((64, 64, 3))
    x = layers.Conv2D(8, 1, activation="relu", name="first")(images)
    x = layers.Flatten()(layers.Conv2D(4, 8, 8, name="second")(x))
    model = keras.Model(images, layers.Dense(4, name="logits")(x), name="net")
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 0], bias[0] = 300.0, -300.0 * 2.8
    model.get_layer("first").set_weights([kernel, bias])
    return model


def pictures(count=100):
    """Noise below 0.9; one pixel of the first is white."""
    x = 0.9 * np.random.default_rng(4).random((count, 64, 64, 3), dtype=np.float32)
    x[0, 5, 5] = 1.0
    return x


def extremes(values):
    return float(np.float32(values.min())), float(np.float32(values.max()))


def test_a_percentile_leaves_its_share_outside_up_to_a_bin():
    values = np.random.default_rng(1).standard_normal(20000)
    low, high = choose(seen(values), Clip("percentile", 99.0))
    exact = np.percentile(np.abs(values), 99.0)
    assert -low == high == pytest.approx(exact, rel=1 / 60)
    assert choose(seen(values), Clip("percentile", 100.0)) == extremes(values)


def test_the_sign_without_outliers_keeps_its_extreme():
    low, high = choose(seen([*np.linspace(0, 1, 9999), 50.0]), Clip("percentile", 99.9))
    assert low == 0.0
    assert high == pytest.approx(1.0, rel=0.02)


def test_the_least_error_is_least_among_real_roundings():
    values = np.random.default_rng(2).standard_t(4, 200000)
    low, high = choose(seen(values), Clip("mse"))

    def error(top):
        edges = max(values.min(), -top), min(values.max(), top)
        step = (edges[1] - edges[0]) / 255
        return np.mean((np.round(np.clip(values, *edges) / step) * step - values) ** 2)

    tops = np.abs(values).max() * 2.0 ** (-np.arange(40) / 5)
    assert max(-low, high) < np.abs(values).max()
    assert error(max(-low, high)) <= 1.05 * min(error(top) for top in tops)


def test_uniform_values_are_not_clipped_at_the_least_error():
    values = np.random.default_rng(3).uniform(-1, 2, 5000)
    assert choose(seen(values), Clip("mse")) == extremes(values)


@pytest.mark.parametrize("per_channel", [True, False])
def test_the_second_step_gives_the_bytes_of_the_converter_itself(per_channel):
    cases = ((artifacts.network(), artifacts.samples()), (sentences.network(), sentences.ids(60)))
    for model, samples in cases:
        lowered = int8_converter(model, samples, per_channel)
        lowered._experimental_calibrate_only = True
        calibrated = run(lowered.convert, model.name)
        assert run(partial(quantized, calibrated, per_channel), "net") == to_int8_tflite(model, samples, per_channel)


def test_clipping_an_outlier_beats_the_extremes():
    model, x = with_outlier(), pictures()
    expected = model(x[1:21]).numpy()
    with Pool(1) as pool:

        def error(content):
            return float(np.sqrt(np.mean((pool.run(content, x[1:21], "tflm").outputs - expected) ** 2)))

        plain = to_int8_tflite(model, x)
        for clip in (Clip("percentile", 99.99), Clip("mse")):
            content, ranges = to_clipped_int8_tflite(model, x, True, clip)
            assert [op.name for op in describe(content).ops] == [op.name for op in describe(plain).ops]
            assert min(ranges, key=lambda each: each.left).tensor.startswith("net/first/")
            assert all(each.measured[0] <= each.chosen[0] <= 0 <= each.chosen[1] <= each.measured[1] for each in ranges)
            assert error(content) < error(plain) / 2


def test_fixed_ranges_stay_the_quantizers():
    content, ranges = to_clipped_int8_tflite(sentences.network(), sentences.ids(60), False, Clip("percentile", 90.0))
    described = describe(content)
    for op in described.ops:
        if op.name == "SOFTMAX":
            assert described.tensors[op.outputs[0]].scales == (1 / 256,)
    assert not any("Softmax" in each.tensor for each in ranges)
    assert described.inputs[0].dtype == "int32"


def test_values_are_measured_before_they_are_overwritten_in_place():
    """The scores before the mask is added hold no -16; the converter's own calibration says that they do."""
    model, samples = sentences.network(), sentences.ids(60)
    lowered = int8_converter(model, samples, False)
    lowered._experimental_calibrate_only = True
    calibrated = run(lowered.convert, model.name)
    tensors = artifacts.opened(calibrated).subgraphs[0].tensors
    scores = next(i for i, each in enumerate(tensors) if each.name == b"bert/layer0_attention/MatMul")
    (found,) = measure(calibrated, samples, [scores])
    attention = model.get_layer("layer0_attention")
    probe = backend.keras().Model(model.inputs, attention.input[:2])
    expected = attention.scores(*probe(samples)).numpy()
    assert found.low == pytest.approx(expected.min(), rel=1e-4)
    assert found.high == pytest.approx(expected.max(), rel=1e-4)
    assert found.counts.sum() == expected.size
    assert tensors[scores].quantization.min[0] < found.low - 5
