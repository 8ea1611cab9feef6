"""Scale and offset of raw examples: one number for all values, or one for each column or channel, the last axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.spec.amounts import Scaling

VALUES = 1 << 22
"""Values at a time, so that float64 copies stay small."""
APART = 16.0
"""How many times the spread of one column may be another's: beyond it one int8 scale leaves it under 16 steps."""
Columns = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """Scale and offset that bring columns to mean 0 and deviation 1; `constant` columns are only centred."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    constant: tuple[int, ...]


def scaled(x: NDArray[Any], scale: Scaling, offset: Scaling) -> NDArray[np.float32]:
    """Compute x * scale + offset in float32, by number or by column of (..., columns)."""
    made: NDArray[np.float32] = x.astype(np.float32) * np.asarray(scale, np.float32) + np.asarray(offset, np.float32)
    return made


def fit(x: NDArray[Any]) -> Fitted:
    """Find what brings each column of (examples, ..., columns) to mean 0 and deviation 1.

    A column that never changes, or whose deviation float32 cannot divide by, gets deviation 1.
    """
    mean, std = moments(x)
    with np.errstate(divide="ignore", over="ignore"):
        inverse = (1 / std).astype(np.float32)
    usable = np.isfinite(inverse) & (inverse > np.finfo(np.float32).tiny)
    scale = np.where(usable, inverse, 1).astype(np.float64)
    constant = tuple(int(column) for column in np.flatnonzero(~usable))
    return Fitted(tuple(scale.tolist()), centred(scale, mean), constant)


def centred(scale: Columns, mean: Columns) -> tuple[float, ...]:
    """Give the offset with which a raw value of `mean` becomes 0 exactly, as `scaled` computes it in float32."""
    products = mean.astype(np.float32) * scale.astype(np.float32)
    return tuple((0.0 - products.astype(np.float64)).tolist())


def moments(x: NDArray[Any]) -> tuple[Columns, Columns]:
    """Mean and standard deviation of each column of (examples, ..., columns); 0 exactly where nothing changes."""
    columns = x.shape[-1]
    count = x.size // columns
    total, squares = np.zeros(columns), np.zeros(columns)
    for part in parts(x):
        total += part.sum(0)
    mean = total / count
    for part in parts(x):
        squares += ((part - mean) ** 2).sum(0)
    low, high = ends(x)
    return np.where(low == high, low, mean), np.where(low == high, 0.0, np.sqrt(squares / count))


def ends(x: NDArray[Any]) -> tuple[Columns, Columns]:
    """Return the least and the largest value of each column of (examples, ..., columns)."""
    flat = x.reshape(-1, x.shape[-1])
    return flat.min(0).astype(np.float64), flat.max(0).astype(np.float64)


def parts(x: NDArray[Any]) -> Iterator[Columns]:
    """Yield the rows of (examples, ..., columns) as float64, some at a time."""
    count = max(1, VALUES * len(x) // x.size)
    for start in range(0, len(x), count):
        yield x[start : start + count].astype(np.float64).reshape(-1, x.shape[-1])


def spreads_differ(spreads: Columns) -> bool:
    """Say whether columns that change differ by more than APART times in their spread."""
    changing = spreads[np.isfinite(spreads) & (spreads > 0)]
    return bool(len(changing) > 1 and changing.max() > APART * changing.min())


def require_columns(where: str, shape: tuple[int, ...], scale: Scaling, offset: Scaling) -> None:
    """Refuse a list that has not one number for each column of examples of `shape`.

    Raises:
        UserError: names both lengths.
    """
    for name, values in (("scale", scale), ("offset", offset)):
        if isinstance(values, tuple) and len(values) != shape[-1]:
            problem = f"{name} has {len(values)} numbers, and the last axis of an example, {shape}, has {shape[-1]}"
            raise UserError(where, problem, "give one number for each column or channel, or one for all")


def listed(numbers: Any, most: int = 8) -> str:
    """Write numbers for a message, the first ones of many."""
    shown = [f"{number:.4g}" for number in numbers[:most]]
    if len(numbers) > most:
        return f"{', '.join(shown)} and {len(numbers) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
