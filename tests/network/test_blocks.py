"""The blocks of transformers compute what Keras' own layers compute, and lower to int8."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyc.network import backend
from tinyc.quantization.convert import to_int8_tflite
from tinyc.spec import gallery
from tinyc.tflite.read.flatbuffer import describe

KERAS = backend.keras()
TF = backend.tensorflow()
RANDOM = np.random.default_rng(0)


def sentences(count: int, length: int = 12, pieces: int = 50) -> Any:
    """Token ids with padding behind them."""
    ids = RANDOM.integers(1, pieces, (count, length)).astype(np.int32)
    for row in ids:
        row[RANDOM.integers(3, length) :] = 0
    return ids


def tiny_bert(**options: Any) -> Any:
    from tinyc.spec.builders import Builder

    builder = Builder.model_validate(
        {"build": "models/bert.py:tiny_bert", "vocabulary": 50, "width": 16, "depth": 1, "inner": 24, **options}
    )
    return builder.call(lambda path: gallery.root() / path, (12,), 2)


def test_layer_norm_is_that_of_keras() -> None:
    from tinyc.network.blocks import LayerNorm

    x = RANDOM.normal(2, 3, (4, 5, 8)).astype(np.float32)
    mine, theirs = LayerNorm(1e-3), KERAS.layers.LayerNormalization(epsilon=1e-3)
    for layer in (mine, theirs):
        layer.build(x.shape)
        layer.set_weights([np.arange(8, dtype=np.float32), np.ones(8, np.float32)])
    np.testing.assert_allclose(mine(x), theirs(x), atol=1e-4)


def test_attention_is_that_of_keras() -> None:
    from tinyc.network.blocks import Attention

    x = RANDOM.normal(size=(3, 7, 8)).astype(np.float32)
    theirs = KERAS.layers.MultiHeadAttention(2, 4)
    keep = np.array([[1] * 7, [1] * 4 + [0] * 3, [1] * 2 + [0] * 5], bool)
    wanted = theirs(x, x, attention_mask=keep[:, None, :])
    project = [np.reshape(kernel, (8, 8)) for kernel in theirs.get_weights()[:6:2]]
    query, key, value = (x @ kernel for kernel in project)
    mixed = Attention(2, 4)([query, key, value, np.where(keep, 0, -1e9).astype(np.float32)[:, None, None, :]])
    np.testing.assert_allclose(mixed @ theirs.get_weights()[6].reshape(8, 8), wanted, atol=1e-5)


@pytest.mark.parametrize(("form", "apart"), [("erf", 1e-6), ("tanh", 1e-3), ("sigmoid", 0.03)])
def test_gelu_is_near_the_exact_one(form: Any, apart: float) -> None:
    from tinyc.network.blocks import Gelu

    x = np.linspace(-6, 6, 1001, dtype=np.float32)
    difference = np.abs(Gelu(form)(x).numpy() - TF.nn.gelu(x).numpy()).max()
    assert difference <= apart


def test_masked_mean_leaves_padding_out() -> None:
    from tinyc.network.blocks import PaddingMask, TokenPool

    ids = sentences(6)
    x = RANDOM.normal(size=(6, 12, 4)).astype(np.float32)
    real = (ids != 0)[..., None]
    wanted = (x * real).sum(1) / real.sum(1)
    np.testing.assert_allclose(TokenPool("mean")([x, PaddingMask()(ids)]), wanted, atol=1e-5)
    np.testing.assert_array_equal(TokenPool("first")(x), x[:, 0])


@pytest.mark.parametrize("options", [{"pool": "mean"}, {"pool": "first"}, {"embedding": 8}], ids=str)
def test_tiny_bert_lowers_to_int8_throughout(options: Any) -> None:
    described = describe(to_int8_tflite(tiny_bert(**options), sentences(20)))
    assert [each.dtype for each in (described.inputs[0], described.outputs[0])] == ["int32", "int8"]
    assert {op.name for op in described.ops} <= {
        "ADD", "BATCH_MATMUL", "FULLY_CONNECTED", "GATHER", "MEAN", "MINIMUM", "MUL", "RESHAPE", "RSQRT", "SOFTMAX",
        "STRIDED_SLICE", "SUB", "TRANSPOSE",
    }  # fmt: skip


def test_a_stored_network_loads_by_its_registered_blocks(tmp_path: Any) -> None:
    from tinyc.network import sources

    model = tiny_bert()
    model.save(tmp_path / "net.h5")
    ids = sentences(5)
    again = sources.read_network(tmp_path / "net.h5", "net")
    np.testing.assert_array_equal(again(ids), model(ids))
