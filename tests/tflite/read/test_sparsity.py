"""Sparse tensors: put together as TensorFlow Lite does, counted by their shape, and every byte of them known."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import numpy as np
import pytest
from support.optional import not_none
from support.tiny import Plan, by_hand, options, pack

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.float_tflite import converter, inference
from tinyc.tflite.read.anatomy import anatomy
from tinyc.tflite.read.flatbuffer import describe, open_tflite
from tinyc.tflite.read.schema import schema


@functools.cache
def network() -> Any:
    """Kernels of which about a fifth is left."""
    keras = backend.keras()
    keras.utils.set_random_seed(1)
    random, given = np.random.default_rng(0), keras.Input((12, 12, 4))
    x = keras.layers.Flatten()(keras.layers.Conv2D(16, 3)(given))
    model = keras.Model(given, keras.layers.Dense(24)(x), name="sparse")
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel * (random.random(kernel.shape) > 0.8), random.normal(size=bias.shape)])
    return model


@functools.cache
def converted() -> bytes:
    lowered = converter(inference(network()))
    lowered.optimizations = [backend.tensorflow().lite.Optimize.EXPERIMENTAL_SPARSITY]
    return bytes(lowered.convert())


def test_parameters_count_by_shape_and_those_that_are_not_zero_by_value() -> None:
    described, model = describe(converted()), network()
    assert any(tensor.sparse for tensor in described.tensors)
    assert described.params == model.count_params()
    assert described.nonzero_params == sum(np.count_nonzero(weight) for weight in model.get_weights())
    assert described.weight_bytes < 4 * described.params / 2
    assert described.macs == 10 * 10 * 16 * 36 + 1600 * 24


def test_every_byte_of_the_places_is_known() -> None:
    found = anatomy(converted(), describe(converted()))
    assert "unknown" not in found
    assert found["sparsity"] > 2 * describe(converted()).nonzero_params
    assert sum(found.values()) == len(converted())


def test_values_are_those_that_tensorflow_lite_unpacks() -> None:
    lite = backend.tensorflow().lite
    interpreter = lite.Interpreter(
        model_content=converted(), experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=lite.experimental.OpResolverType.BUILTIN_REF,
    )  # fmt: skip
    interpreter.allocate_tensors()
    interpreter.invoke()
    reader, described = open_tflite(converted(), "mine")
    unpacked = [op for op in described.ops if op.name == "DENSIFY"]
    assert len(unpacked) == 2
    for op in unpacked:
        ours = reader.values(described.tensors[op.inputs[0]])
        assert ours is not None
        assert np.array_equal(ours, interpreter.get_tensor(op.outputs[0]))


BLOCKED = np.array([[1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 5, 0], [0, 0, 7, 8]], np.int8)


def blocked(segments: list[int], indices: list[int], width: str = "Uint8Vector") -> bytes:
    """A matrix of 6 x 4 in blocks of 2 x 2, of which two are stored."""
    s = schema()
    stored = b"".join(BLOCKED[i : i + 2, j : j + 2].tobytes() for i, j in ((0, 0), (4, 2)))
    dense = [Plan((1, 4)), Plan((6, 4), data=bytes(range(24))), Plan((1, 6))]
    tree = s.ModelT.InitFromPackedBuf(by_hand(dense, [("FULLY_CONNECTED", (0, 1), (2,))]), 0)
    tree.buffers[1].data = np.frombuffer(stored, np.uint8)
    kind = getattr(s.SparseIndexVector, width)
    levels = [options("DimensionMetadata", format=s.DimensionType.DENSE, denseSize=size) for size in (3, 2, 2)]
    listed = options(
        "DimensionMetadata", format=s.DimensionType.SPARSE_CSR, arraySegmentsType=kind, arrayIndicesType=kind,
        arraySegments=options(width, values=segments), arrayIndices=options(width, values=indices),
    )  # fmt: skip
    tree.subgraphs[0].tensors[1].sparsity = options(
        "SparsityParameters", traversalOrder=[0, 1, 2, 3], blockMap=[0, 1], dimMetadata=[levels[0], listed, *levels[1:]]
    )
    return pack(tree)


@pytest.mark.parametrize("width", ["Uint8Vector", "Uint16Vector", "Int32Vector"])
def test_blocks_lie_where_they_belong(width: str) -> None:
    content = blocked([0, 1, 1, 2], [0, 1], width)
    reader, described = open_tflite(content, "mine")
    assert np.array_equal(not_none(reader.values(described.tensors[1])), BLOCKED)
    assert (described.params, described.nonzero_params, described.weight_bytes, described.macs) == (24, 7, 8, 24)
    assert "unknown" not in anatomy(content, described)


@pytest.mark.parametrize(
    ("segments", "indices"), [([0, 1, 1], [0, 1]), ([0, 1, 1, 2], [0, 9]), ([0, 2, 1, 2], [0, 1]), ([0, 1, 1, 3], [0])]
)
def test_places_that_make_no_sense_never_end_in_a_traceback(segments: list[int], indices: list[int]) -> None:
    with contextlib.suppress(UserError):
        assert describe(blocked(segments, indices)).nonzero_params == 24  # what cannot be read counts as not zero
