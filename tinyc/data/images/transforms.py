"""The operations behind `augment.view`: each maps (x, ids, seed, view) to a new array of the same shape and dtype."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tinyc.data.recordings import counter, sensor_transforms

Examples = NDArray[Any]
Ids = NDArray[np.int64]
CROP, FLIP, CUTOUT, NOISE = 1, 2, 3, 4  # streams: no two operations share random numbers
NOISE_FRACTION = np.float32(0.05)


def crop(x: Examples, ids: Ids, seed: int, view: int) -> Examples:
    """Pad with zeros by a 14th of the shorter side (2 at 28), at least 1, and cut the size out again anywhere."""
    count, height, width, channels = x.shape
    pad = max(1, round(min(height, width) / 14))
    padded = np.zeros((count, height + 2 * pad, width + 2 * pad, channels), x.dtype)
    padded[:, pad : pad + height, pad : pad + width] = x
    windows = sliding_window_view(padded, (height, width, channels), axis=(1, 2, 3))  # type: ignore[call-overload]
    corner = counter.below(counter.sequence(counter.keys(seed, ids, view, CROP), 2), 2 * pad + 1)
    cut: Examples = windows[np.arange(count), corner[:, 0], corner[:, 1], 0]
    return cut


def flip(x: Examples, ids: Ids, seed: int, view: int) -> Examples:
    """Mirror every other example, left to right."""
    chosen = counter.below(counter.keys(seed, ids, view, FLIP), 2) == 1
    out = x.copy()
    out[chosen] = x[chosen, :, ::-1]
    return out


def cutout(x: Examples, ids: Ids, seed: int, view: int) -> Examples:
    """Zero a square of a quarter of the shorter side around any pixel (DeVries and Taylor, 2017, arXiv:1708.04552)."""
    _, height, width, _ = x.shape
    side = max(1, round(min(height, width) / 4))
    draws = counter.sequence(counter.keys(seed, ids, view, CUTOUT), 2)
    inside_rows = covers(counter.below(draws[:, 0], height), side, height)
    inside_columns = covers(counter.below(draws[:, 1], width), side, width)
    square = inside_rows[:, :, None] & inside_columns[:, None, :]
    return np.where(square[..., None], x.dtype.type(0), x)


def covers(centre: NDArray[np.int64], side: int, length: int) -> NDArray[np.bool_]:
    """Say which of `length` positions a stretch of `side` around each centre covers, (examples, length)."""
    first = (centre - side // 2)[:, None]
    position = np.arange(length)
    return (position >= first) & (position < first + side)


def noise(x: Examples, ids: Ids, seed: int, view: int) -> Examples:
    """Add gaussian noise of 5 %: of each value's own size in rows, of each example's own deviation otherwise.

    Columns of a row have units of their own, so only a value's own size is a fair measure there (a zero stays zero).
    """
    values = x.astype(np.float32)
    size = np.abs(values) if x.ndim == 2 else values.std(axis=tuple(range(1, x.ndim)), keepdims=True)
    draws = counter.normal(counter.keys(seed, ids, view, NOISE), int(np.prod(x.shape[1:])))
    noisy = values + NOISE_FRACTION * size * draws.reshape(x.shape)
    return sensor_transforms.within(noisy, x.dtype)


TRANSFORMS: Mapping[str, Callable[[Examples, Ids, int, int], Examples]] = {
    "crop": crop,
    "flip": flip,
    "cutout": cutout,
    "noise": noise,
    "rotate": sensor_transforms.rotate,
    "gain": sensor_transforms.gain,
    "warp": sensor_transforms.warp,
}
