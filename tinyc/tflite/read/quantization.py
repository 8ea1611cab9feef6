"""Floats to a tensor's integers and back, as its scale and zero point say."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.tflite.read.description import Tensor

INTEGERS = frozenset({"int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"})


def quantize(values: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    """Give `values` as the tensor holds them: round(value / scale) + zero point, half to even, clipped.

    Unquantized tensors (float32, token ids) only change the type.
    """
    dtype = np.dtype(tensor.dtype)
    if not is_quantized(tensor):
        return np.ascontiguousarray(values, dtype)
    limits = np.iinfo(dtype)
    steps = np.rint(values / np.float32(tensor.scales[0])) + zero_point(tensor)
    held: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(dtype)
    return held


def dequantize(values: NDArray[Any], tensor: Tensor) -> NDArray[np.float32]:
    """Give a tensor's integers as float32: (value - zero point) * scale."""
    if not is_quantized(tensor):
        return values.astype(np.float32)
    return (values.astype(np.float32) - zero_point(tensor)) * np.float32(tensor.scales[0])


def is_quantized(tensor: Tensor) -> bool:
    """Say whether a tensor's integers stand for numbers; a float one may carry a scale that means nothing."""
    return bool(tensor.scales) and tensor.dtype in INTEGERS


def zero_point(tensor: Tensor) -> int:
    """Return the integer that stands for zero; a file may leave it out where it is 0."""
    return tensor.zero_points[0] if tensor.zero_points else 0
