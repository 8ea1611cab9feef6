"""The numbers that a stored tensor holds, unpacked and looked up, and how many different ones there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.tflite.read.description import Tensor

# TFLM's weight tables (DECODE): a header of 16 bytes, then the tables; byte 5 holds axis and width, byte 6 the stride.
HEADER_BYTES = 16
LOOKED_UP = 0
WHOLE_TENSOR = 15


@dataclass(frozen=True)
class Variety:
    """How many different numbers a tensor holds.

    `per_channel` is the largest count in one channel, None where the tensor has one scale in all; `zeros` counts
    the elements at their zero point.
    """

    elements: int
    distinct: int
    per_channel: int | None
    zeros: int


def stored_values(tensor: Tensor, data: NDArray[np.uint8]) -> NDArray[Any] | None:
    """Read stored bytes as numbers of the tensor's shape; None where they are strings, or of no known type."""
    if tensor.dtype == "int4":
        low, high = (data & 15).astype(np.int8), (data >> 4).astype(np.int8)
        packed: NDArray[Any] = np.stack([low, high], axis=1).ravel()[: tensor.elements]
        found: NDArray[Any] = np.where(packed > 7, packed - 16, packed).astype(np.int8)
    elif tensor.dtype in np.sctypeDict and tensor.dtype not in ("bool", "object"):
        kind = np.dtype(tensor.dtype).newbyteorder("<")
        found = data[: len(data) // kind.itemsize * kind.itemsize].view(kind)
    else:
        return None
    return found.reshape(tensor.shape) if found.size == tensor.elements else None


def looked_up(indices: NDArray[np.uint8], ancillary: NDArray[np.uint8], decoded: Tensor) -> NDArray[Any] | None:
    """Decode a weight table as TFLM does; None where the encoding is another, or the table too short.

    Args:
        indices: the encoded tensor: indices of 1 to 7 bits, the highest bit first.
        ancillary: the header and the tables, one for each channel or one in all.
        decoded: what comes out.
    """
    if len(ancillary) < HEADER_BYTES or ancillary[0] != LOOKED_UP:
        return None
    axis, bits, stride = int(ancillary[5]) >> 4, int(ancillary[5]) & 7, int(ancillary[6])
    tables = numbers_of(ancillary[HEADER_BYTES:], decoded.dtype)
    if not bits or tables is None or len(indices) * 8 < decoded.elements * bits:
        return None
    digits = np.unpackbits(indices)[: decoded.elements * bits].reshape(-1, bits)
    places = (digits @ (1 << np.arange(bits)[::-1])).reshape(decoded.shape)
    if axis != WHOLE_TENSOR:
        if axis >= len(decoded.shape):
            return None
        sides = [1] * len(decoded.shape)
        sides[axis] = decoded.shape[axis]
        places = places + np.arange(decoded.shape[axis]).reshape(sides) * stride
    if places.size and places.max() >= len(tables):
        return None
    found: NDArray[Any] = tables[places]
    return found


def numbers_of(data: NDArray[np.uint8], dtype: str) -> NDArray[Any] | None:
    """Read bytes as a flat row of numbers; None where the type is not one of numpy."""
    if dtype not in np.sctypeDict:
        return None
    kind = np.dtype(dtype).newbyteorder("<")
    return data[: len(data) // kind.itemsize * kind.itemsize].view(kind)


def channel_axis(tensor: Tensor, count: int) -> int | None:
    """Return the axis along which `count` scales or zero points lie; None where they fit none.

    Files name any axis where it has no meaning, as that of a convolution's filter for its bias: the one axis of a
    vector is then meant.
    """
    if 0 <= tensor.axis < len(tensor.shape) and tensor.shape[tensor.axis] == count:
        return tensor.axis
    return 0 if tensor.shape == (count,) else None


def nonzero(values: NDArray[Any], tensor: Tensor) -> int:
    """Count the elements that differ from their zero point; from the first one where several fit no axis."""
    if any(tensor.zero_points):
        points = np.array(tensor.zero_points, np.int64)
        axis = channel_axis(tensor, len(points)) if len(points) > 1 else None
        sides = [len(points) if place == axis else 1 for place in range(values.ndim)]
        values = values - (points[0] if axis is None else points.reshape(sides))
    return int(np.count_nonzero(values))


def variety(values: NDArray[Any], tensor: Tensor) -> Variety:
    """Count the different numbers of a tensor, in all and in the channel that has most."""
    axis = channel_axis(tensor, len(tensor.scales)) if len(tensor.scales) > 1 else None
    per_channel = None if axis is None else max(map(distinct, np.moveaxis(values, axis, 0)), default=0)
    return Variety(values.size, distinct(values), per_channel, values.size - nonzero(values, tensor))


def distinct(values: NDArray[Any]) -> int:
    """Count different numbers; floats by their bits, so that a NaN is one number."""
    if values.itemsize == 1:
        return int(np.count_nonzero(np.bincount(values.ravel().view(np.uint8), minlength=256)))
    flat = np.ascontiguousarray(values).ravel()
    return len(np.unique(flat.view(f"u{flat.itemsize}") if flat.itemsize <= 8 else flat))
