"""How far two raw outputs of the same network differ: in quantization steps, and where one is not a finite number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# A float output has no steps; this fraction of its largest value is taken for one.
FLOAT_STEP = 1e-5


def steps_apart(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.int64]:
    """Count the steps between two raw outputs, element by element; 0 where one is not finite (see `unlike`)."""
    one, other = left.astype(np.float64), right.astype(np.float64)
    finite = np.isfinite(one) & np.isfinite(other)
    one, other = np.where(finite, one, 0), np.where(finite, other, 0)
    apart = np.abs(one - other)
    if np.issubdtype(right.dtype, np.floating):
        largest = max(float(np.abs(one).max(initial=0)), float(np.abs(other).max(initial=0)), 1e-30)
        apart = np.floor(apart / (FLOAT_STEP * largest))
    return np.asarray(apart, np.int64)


def unlike(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark elements of which one is NaN or infinite and the other is not the same."""
    return np.asarray(kinds(left) != kinds(right))


def kinds(values: NDArray[Any]) -> NDArray[np.int8]:
    """Give 0 for finite numbers, 1 for NaN, 2 and 3 for the infinities."""
    if not np.issubdtype(values.dtype, np.floating):
        return np.zeros(values.shape, np.int8)
    return np.select([np.isnan(values), np.isposinf(values), np.isneginf(values)], [1, 2, 3], 0).astype(np.int8)


def identical(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Say whether two outputs are the same numbers; NaN in the same place is the same."""
    return np.array_equal(left, right, equal_nan=np.issubdtype(left.dtype, np.floating))


def differing(left: NDArray[Any], right: NDArray[Any]) -> int:
    """Count the examples, (examples, ...), in which two outputs are not the same numbers."""
    return sum(not identical(one, other) for one, other in zip(left, right, strict=True))
