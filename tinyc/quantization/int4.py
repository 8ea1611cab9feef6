"""Weights of four bits, two to a byte, for the operators whose kernels in TensorFlow Lite Micro take them.

    byte    [high nibble: weight 2i + 1][low nibble: weight 2i]        each -7..7, two's complement

The converter has no option for it, so that the int8 file is rewritten; the numbers are rounded once, from the float
weights. Scales are chosen by the least squared error: with fifteen steps, clipping the largest weights often pays.
Kernels take one scale for each channel of convolutions, and a single scale for dense layers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.network.contract import Skipped
from tinyc.tflite.read.counterparts import BIAS, INPUT, WEIGHTS, Pair, Work, along, heavy, pairs, unpack
from tinyc.tflite.read.schema import op_names, schema
from tinyc.tflite.write.pack import pack
from tinyc.tflite.write.strip import share_buffers

LEVELS = 7
CLIPS = np.linspace(1.0, 0.4, 31)
"""Scales that are tried, as fractions of the one that clips nothing."""
LIMITS = np.iinfo(np.int32)


@dataclass(frozen=True)
class Halved:
    """A file with weights of four bits.

    Attributes:
        layers: whose weights have four bits now.
        left: whose weights stay in int8, and why.
    """

    content: bytes
    layers: tuple[str, ...]
    left: tuple[Skipped, ...]


def to_int4(content: bytes, calibrated: bytes, layers: Collection[str] | None = None) -> Halved:
    """Store the weights of convolutions and dense layers in four bits.

    Args:
        content: an int8 .tflite.
        calibrated: the float .tflite that it was made from.
        layers: the layers to change; all that can be where None.
    """
    model, source = unpack(content), unpack(calibrated)
    matched = {id(pair.made.operator): pair for pair in pairs(model, source)}
    done, left = [], []
    for work in [each for each in heavy(model) if layers is None or each.layer in layers]:
        pair = matched.get(id(work.operator))
        if pair is None:
            left.append(Skipped(work.layer, "it stays in float, or its weights are not those of the network"))
        elif why := obstacle(work):
            left.append(Skipped(work.layer, why))
        else:
            halve(pair)
            done.append(work.layer)
    known = {*done, *(each.layer for each in left)}
    left += [Skipped(name, "no operator has its name") for name in layers or () if name not in known]
    share_buffers(model)
    return Halved(pack(model), tuple(done), (*left, *others(model, layers)))


def obstacle(work: Work) -> str:
    """Say why an operator's weights cannot have four bits; empty where they can."""
    index = work.operator.inputs[WEIGHTS]
    bias = work.tensor(BIAS)
    readers = sum(int(np.count_nonzero(each.inputs == index)) for each in work.graph.operators)
    if readers > 1:
        return "its weights serve several operators"
    if bias is not None and work.model.buffers[bias.buffer].data is None:
        return "its bias is computed"
    return ""


def others(model: Any, layers: Collection[str] | None) -> tuple[Skipped, ...]:
    """Name the operators with large int8 constants that no kernel takes in four bits."""
    if layers is not None:
        return ()
    graph, found = model.subgraphs[0], []
    for operator in graph.operators:
        kind = op_names().get(model.operatorCodes[operator.opcodeIndex].builtinCode, "")
        if kind not in ("GATHER", "TRANSPOSE_CONV", "EMBEDDING_LOOKUP", "BATCH_MATMUL"):
            continue
        if any(is_constant(model, graph.tensors[index]) for index in operator.inputs if index >= 0):
            layer = Work(model, operator, kind).layer
            found.append(Skipped(layer, f"{kind} takes weights in int8 alone"))
    return tuple(found)


def is_constant(model: Any, tensor: Any) -> bool:
    return tensor.type == schema().TensorType.INT8 and model.buffers[tensor.buffer].data is not None


def halve(pair: Pair) -> None:
    """Give an operator weights of four bits, and its bias the scale that follows from theirs."""
    work, tensor = pair.made, pair.made.tensor(WEIGHTS)
    floats = pair.source.floats(WEIGHTS)
    axis = None if work.kind == "FULLY_CONNECTED" else int(tensor.quantization.quantizedDimension)
    bias = None if work.tensor(BIAS) is None else work.floats(BIAS)
    scales = least_error_scales(floats, axis)
    steps = np.clip(np.rint(floats / along(scales, axis or 0, floats.ndim)), -LEVELS, LEVELS).astype(np.int8)
    tensor.type = schema().TensorType.INT4
    set_scales(tensor, scales)
    tensor.buffer = own_buffer(work.model, nibbles(steps))
    if bias is not None:
        products = (np.float32(work.tensor(INPUT).quantization.scale[0]) * scales).astype(np.float32)
        held = np.clip(np.rint(bias / products.astype(np.float64)), LIMITS.min, LIMITS.max).astype("<i4")
        set_scales(work.tensor(BIAS), products)
        work.tensor(BIAS).buffer = own_buffer(work.model, held.view(np.uint8))


def least_error_scales(weights: NDArray[np.float64], axis: int | None) -> NDArray[np.float32]:
    """Choose the scale of each index along `axis` (one scale where None) with the least squared error.

    Returns:
        (channels,) float32; zero stays exact under any of them.
    """
    rows = weights.reshape(1, -1) if axis is None else np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)
    top = np.abs(rows).max(axis=1, initial=0.0) / LEVELS
    top = np.where(top == 0, 1.0, top)
    errors = []
    for clip in CLIPS:
        scale = (top * clip).astype(np.float32).astype(np.float64)[:, None]
        rounded = np.clip(np.rint(rows / scale), -LEVELS, LEVELS) * scale
        errors.append(((rounded - rows) ** 2).sum(axis=1))
    return np.asarray(top * CLIPS[np.argmin(errors, axis=0)], np.float32)


def through_int4(weights: NDArray[Any], axis: int | None) -> NDArray[np.float32]:
    """Give weights as four bits would hold them, to try what that costs."""
    floats = weights.astype(np.float64)
    scales = along(least_error_scales(floats, axis), axis or 0, floats.ndim)
    return np.asarray(np.clip(np.rint(floats / scales), -LEVELS, LEVELS) * scales, np.float32)


def nibbles(steps: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Pack weights two to a byte, the first in the low nibble; an odd last one stands beside a zero."""
    flat = np.append(steps.ravel(), np.zeros(steps.size % 2, np.int8)).view(np.uint8) & 15
    return np.asarray(flat[0::2] | flat[1::2] << 4, np.uint8)


def set_scales(tensor: Any, scales: NDArray[np.float32]) -> None:
    tensor.quantization.scale = scales
    tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
    if len(scales) == 1:
        tensor.quantization.quantizedDimension = 0


def own_buffer(model: Any, data: NDArray[np.uint8]) -> int:
    """Add a buffer: others may share the one that a tensor had."""
    model.buffers.append(schema().BufferT(data=data))
    return len(model.buffers) - 1
