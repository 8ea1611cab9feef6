"""Weights of four bits: packed as TFLM reads them, rounded once from the float weights, named where they cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from support import artifacts, sentences

from tinyc.network import backend
from tinyc.quantization.convert import calibrated, from_calibrated
from tinyc.quantization.int4 import LEVELS, least_error_scales, nibbles, through_int4, to_int4
from tinyc.tflite.read.counterparts import WEIGHTS, heavy, held, unpack
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.pack import pack


@pytest.fixture(scope="module")
def pool():
    with Pool() as started:
        yield started


def network():
    """Every operator whose kernel takes four bits, once, with an odd number of weights in some."""
    keras = backend.keras()
    layers = keras.layers
    backend.seed_everything(5)
    images = layers.Input((9, 9, 4))
    x = layers.Conv2D(6, 3, groups=2, activation="relu", name="grouped")(images)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, name="depthwise")(x)
    x = layers.Conv2D(5, 1, activation="relu", name="pointwise")(x)
    x = layers.Dense(3, name="tokens")(layers.Reshape((3, 15))(x))
    model = keras.Model(images, layers.Dense(3, name="logits")(layers.Flatten()(x)), name="net")
    draw = np.random.default_rng(5)
    model.set_weights([w + 0.2 * draw.standard_normal(w.shape) for w in model.get_weights()])
    return model, draw.standard_normal((12, 9, 9, 4)).astype(np.float32)


def widened(content):
    """The same numbers in int8."""
    model = unpack(content)
    for work in heavy(model):
        tensor = work.tensor(WEIGHTS)
        values = np.array(held(model, tensor))
        tensor.type, tensor.buffer = schema().TensorType.INT8, len(model.buffers)
        model.buffers.append(schema().BufferT(data=values.reshape(-1).view(np.uint8)))
    return pack(model)


def test_every_kernel_computes_what_it_does_with_the_same_numbers_in_int8(pool):
    model, samples = network()
    source = calibrated(model, samples, True)
    made = to_int4(from_calibrated(source, "net", True), source)
    # Keras compiles a grouped convolution apart, and its name is lost on the way.
    assert made.layers == ("Conv2D1", "depthwise", "pointwise", "tokens", "logits")
    assert made.left == ()
    described = describe(made.content)
    stored = [described.tensors[op.inputs[1]] for op in described.ops if op.params]
    assert {tensor.dtype for tensor in stored} == {"int4"}
    assert [len(tensor.scales) for tensor in stored] == [6, 12, 5, 1, 1]
    twin = widened(made.content)
    for runtime in ("tflm", "reference"):
        one, other = (pool.run(content, samples, runtime) for content in (made.content, twin))
        np.testing.assert_array_equal(one.raw, other.raw)
        assert np.ptp(one.raw.astype(int)) > 100


def test_weights_are_rounded_once_from_the_floats():
    model, samples = network()
    source = calibrated(model, samples, True)
    made = unpack(to_int4(from_calibrated(source, "net", True), source, ["pointwise"]).content)
    types = [work.tensor(WEIGHTS).type == schema().TensorType.INT4 for work in heavy(made)]
    assert types == [False, False, True, False, False]
    kernel = model.get_layer("pointwise").kernel.numpy()
    found = next(work for work in heavy(made) if work.layer == "pointwise").floats(WEIGHTS)
    np.testing.assert_allclose(found, np.moveaxis(through_int4(np.moveaxis(kernel, -1, 0), 0), 0, 0), atol=1e-6)


def test_what_no_kernel_takes_is_named():
    source = calibrated(sentences.network(), sentences.ids(20), False)
    made = to_int4(from_calibrated(source, "bert", False), source)
    assert [(each.layer, each.why) for each in made.left] == [
        ("mask", "GATHER takes weights in int8 alone"),
        ("tokens", "GATHER takes weights in int8 alone"),
    ]
    assert len(made.content) < len(from_calibrated(source, "bert", False))


def test_a_layer_that_no_operator_bears_the_name_of_is_said():
    samples = artifacts.samples(8)
    source = calibrated(artifacts.network(), samples, True)
    content = from_calibrated(source, "net", True)
    made = to_int4(content, source, ["stem_conv", "lost"])
    assert made.layers == ("stem_conv",)
    assert [(each.layer, each.why) for each in made.left] == [("lost", "no operator has its name")]


def test_a_file_of_other_weights_is_left_as_it_is():
    samples = artifacts.samples(8)
    source = calibrated(artifacts.network(sparse=True), samples, True)
    other = artifacts.network()
    other.set_weights([-each for each in other.get_weights()])
    made = to_int4(from_calibrated(calibrated(other, samples, True), "net", True), source)
    assert made.layers == ()
    assert {each.why for each in made.left} == {"it stays in float, or its weights are not those of the network"}


def test_the_first_weight_stands_in_the_low_nibble():
    assert nibbles(np.array([1, -1, 7, -7, 3], np.int8)).tolist() == [0xF1, 0x97, 0x03]


def test_scales_err_least_and_keep_zeros():
    draw = np.random.default_rng(1)
    weights = draw.standard_t(3, (4, 300))
    weights[:, :50] = 0
    scales = least_error_scales(weights, 0)
    top = np.abs(weights).max(axis=1) / LEVELS
    assert (scales <= top * 1.001).all()
    assert (scales < 0.9 * top).any()

    def error(steps):
        return ((np.clip(np.rint(weights / steps[:, None]), -7, 7) * steps[:, None] - weights) ** 2).sum(axis=1)

    assert (error(scales) <= error(top) * 1.0001).all()
    assert (through_int4(weights, 0)[:, :50] == 0).all()
    assert (through_int4(np.zeros((2, 3)), None) == 0).all()
