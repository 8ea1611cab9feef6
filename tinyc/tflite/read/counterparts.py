"""The same work in two files: a quantized .tflite and the calibrated float one that it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.tflite.read.layer_names import layer_name
from tinyc.tflite.read.schema import op_names, schema

HEAVY = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
INPUT, WEIGHTS, BIAS = 0, 1, 2
ALIKE = 0.5
"""The largest difference of two writings of one weight, as a fraction of its size; int4 alone makes some 0.1."""


@dataclass(frozen=True)
class Work:
    """One operator with constant weights in an opened file (`ModelT`)."""

    model: Any
    operator: Any
    kind: str

    @property
    def graph(self) -> Any:
        return self.model.subgraphs[0]

    @property
    def layer(self) -> str:
        name = self.graph.tensors[self.operator.outputs[0]].name or b""
        return layer_name(name.decode(errors="replace"), self.kind)

    def tensor(self, slot: int) -> Any:
        """Return the tensor in an input slot; None where the slot is empty."""
        inputs = self.operator.inputs
        return self.graph.tensors[inputs[slot]] if slot < len(inputs) and inputs[slot] >= 0 else None

    def floats(self, slot: int) -> NDArray[np.float64]:
        """Return the constant in a slot as the numbers that it stands for."""
        tensor = self.tensor(slot)
        return dequantized(held(self.model, tensor), tensor)


@dataclass(frozen=True)
class Pair:
    """An operator in a quantized file, and the float one that it was made from."""

    made: Work
    source: Work


def unpack(content: bytes) -> Any:
    """Read a whole file as schema objects."""
    return schema().ModelT.InitFromPackedBuf(content, 0)


def pairs(made: Any, source: Any) -> list[Pair]:
    """Match the operators with weights in two opened files, in order; what is float in both is left out.

    An operator whose weights are not those of its counterpart is left out too.
    """
    found = zip(heavy(made), heavy(source), strict=False)
    return [Pair(one, other) for one, other in found if is_quantized(one) and same(one, other)]


def heavy(model: Any) -> Iterator[Work]:
    """List the convolutions and dense layers of an opened file whose weights are constant."""
    for operator in model.subgraphs[0].operators:
        kind = op_names().get(model.operatorCodes[operator.opcodeIndex].builtinCode, "")
        work = Work(model, operator, kind)
        if kind in HEAVY and model.buffers[work.tensor(WEIGHTS).buffer].data is not None:
            yield work


def is_quantized(work: Work) -> bool:
    types = schema().TensorType
    return work.tensor(WEIGHTS).type in (types.INT8, types.INT4)


def same(one: Work, other: Work) -> bool:
    """Say whether two operators have one kind and one weight, up to rounding."""
    if one.kind != other.kind or not np.array_equal(one.tensor(WEIGHTS).shape, other.tensor(WEIGHTS).shape):
        return False
    there = other.floats(WEIGHTS)
    return float(np.linalg.norm(one.floats(WEIGHTS) - there)) <= ALIKE * float(np.linalg.norm(there))


def held(model: Any, tensor: Any) -> NDArray[Any]:
    """Read a constant as the integers or floats that are stored, in its shape."""
    types = schema().TensorType
    data = model.buffers[tensor.buffer].data
    shape = tuple(tensor.shape) if tensor.shape is not None else ()
    if tensor.type == types.INT4:
        halves = np.stack([data << 4, data & 0xF0], axis=1).astype(np.uint8).view(np.int8) >> 4
        return np.asarray(halves.ravel()[: int(np.prod(shape))].reshape(shape))
    kinds = {types.INT8: "<i1", types.INT32: "<i4", types.INT64: "<i8", types.FLOAT32: "<f4"}
    return np.asarray(data.view(kinds[tensor.type])).reshape(shape)


def dequantized(values: NDArray[Any], tensor: Any) -> NDArray[np.float64]:
    """Give integers as the numbers that they stand for; floats as they are."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return values.astype(np.float64)
    return values.astype(np.float64) * along(quantization.scale, quantization.quantizedDimension, values.ndim)


def along(scales: NDArray[Any], axis: int, dimensions: int) -> NDArray[np.float64]:
    """Shape scales for a product with a tensor, whose `axis` they number."""
    sides = [1] * dimensions
    if len(scales) > 1:
        sides[axis] = len(scales)
    return np.asarray(scales, np.float64).reshape(sides)
