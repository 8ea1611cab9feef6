"""Values by channel: how many there are, and what a table of them would weigh."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Axis = int | tuple[int, ...]

MOST = 128
"""Values that a table of TensorFlow Lite Micro can hold, for an index of 7 bits."""
HEADER_BYTES = 200
"""What a table costs beside its values and indices: the DECODE operator, its two tensors and the table's header."""


def channels(weight: NDArray[Any], axis: Axis) -> NDArray[Any]:
    """Lay a weight out as (channels, elements of one); one row where `axis` is empty."""
    axes = (axis,) if isinstance(axis, int) else axis
    front = np.moveaxis(weight, axes, range(len(axes)))
    return front.reshape(int(np.prod(front.shape[: len(axes)])), -1)


def as_weight(rows: NDArray[Any], shape: tuple[int, ...], axis: Axis) -> NDArray[Any]:
    """Undo `channels`."""
    axes = (axis,) if isinstance(axis, int) else axis
    first = [place % len(shape) for place in axes]
    order = [*first, *(place for place in range(len(shape)) if place not in first)]
    return rows.reshape([shape[place] for place in order]).transpose(np.argsort(order))


def distinct(weight: NDArray[Any], axis: Axis) -> NDArray[np.int64]:
    """Count the distinct values of each channel, (channels,)."""
    ordered = np.sort(channels(weight, axis), axis=1)
    return np.asarray(1 + np.count_nonzero(np.diff(ordered, axis=1), axis=1), np.int64)


def bits_for(values: int) -> int:
    """Give the bits of an index into a table of so many values."""
    return max(1, (values - 1).bit_length())


def table_bytes(elements: int, tables: int, values: int, header: int = HEADER_BYTES) -> int:
    """Estimate what a weight of `elements` int8 numbers takes as indices and `tables` tables of `values` each."""
    return -(-elements * bits_for(values) // 8) + tables * values + header


def pays(elements: int, tables: int, values: int, header: int = HEADER_BYTES) -> bool:
    """Say whether tables would take less than the int8 numbers themselves."""
    return values <= MOST and table_bytes(elements, tables, values, header) < elements
