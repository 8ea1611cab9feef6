"""The artifact's own tensors beside the float network's: right values, right partners."""

from __future__ import annotations

import numpy as np
import pytest
from support import artifacts

from tinyc.analysis.diagnosis.layers import Examples, Layer, matched, read_layers
from tinyc.network import backend
from tinyc.network.float_tflite import to_float_tflite
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.qat import quantization_aware
from tinyc.tflite.read.description import Tensor
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.divergence import with_output
from tinyc.tflite.run.pool import Pool


@pytest.fixture(scope="module")
def layers() -> tuple[Layer, ...]:
    x = artifacts.samples(6)
    with Pool(1) as pool:
        found, alone = read_layers(
            artifacts.content(), to_float_tflite(artifacts.network()), Examples(x, x), pool, "it"
        )
    assert alone == ()
    return found


def test_tensors_are_what_the_device_computes_in_them(layers: tuple[Layer, ...]) -> None:
    """The input of an ADD among them, which tflite-runtime overwrites."""
    with Pool(1) as pool:
        for layer in layers[1:]:
            alone = pool.run(with_output(artifacts.content(), layer.tensor.index), artifacts.samples(6), "tflm").raw
            assert np.array_equal(layer.raw, alone), layer.name


def test_the_float_side_is_what_keras_computes(layers: tuple[Layer, ...]) -> None:
    model = artifacts.network()
    for name, output in (("stage1_b_conv", "stage1_b_bn"), ("stage2_out", "stage2_out"), ("logits", "logits")):
        probe = backend.keras().Model(model.inputs, model.get_layer(output).output)
        layer = next(each for each in layers if each.name == name)
        assert np.allclose(layer.wanted, probe(artifacts.samples(6)), atol=1e-4), name


def test_a_layer_knows_what_it_reads(layers: tuple[Layer, ...]) -> None:
    names = [layer.name for layer in layers]
    join = layers[names.index("stage2_out")]
    assert {names[place] for place in join.inputs} == {"stage2_b_conv", "stage2_shortcut"}
    assert layers[names.index("stem_conv")].inputs == (0,)


def test_kernels_are_compared_as_they_were_folded(layers: tuple[Layer, ...]) -> None:
    stem = next(layer for layer in layers if layer.name == "stem_conv")
    assert stem.weights is not None
    steps = np.abs(stem.weights.wanted).max(1, keepdims=True) / 127
    assert (np.abs(stem.weights.held - stem.weights.wanted) <= steps * 0.51).all()
    assert np.allclose(stem.weights.held, stem.weights.rounded)


def test_a_network_trained_in_wrappers_still_finds_its_partners() -> None:
    model = artifacts.network()
    aware = quantization_aware(model, artifacts.samples())
    described = describe(to_int8_tflite(aware.model, artifacts.samples()))
    pairs = matched(described, describe(to_float_tflite(model)))
    assert len(pairs) == len(described.ops)
    assert all(left.layer == right.layer and left.name == right.name for left, right in pairs)


def test_equalized_channels_are_scaled_back() -> None:
    random = np.random.default_rng(1)
    wanted = random.normal(size=(40, 3)).astype(np.float32)
    tensor = Tensor(0, "x", (1, 3), "float32", 0, 0)
    layer = Layer("x", "CONV_2D", tensor, wanted * np.array([1, 4, 0.5], np.float32), wanted, wanted)
    assert np.allclose(layer.balanced().wanted, layer.raw, atol=1e-6)
