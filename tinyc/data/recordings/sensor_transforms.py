"""Random views of sensor windows, (examples, time, 1, channels): the operations behind `augment.view`, as `transforms`.

Um et al., "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring", 2017, arXiv:1706.00527.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.recordings import counter

Examples = NDArray[Any]
Ids = NDArray[np.int64]
ROTATE, GAIN, WARP = 8, 9, 10  # streams, apart from those of the other augmentations
LARGEST_ANGLE = np.pi / 6
LARGEST_GAIN = 0.3
LARGEST_STRETCH = 1.25
AXES = 3


def rotate(x: Examples, ids: Ids, seed: int, view: int) -> Examples:
    """Turn the sensor by up to 30 degrees about any axis: every three channels are one vector, and all turn alike."""
    turn = rotations(ids, seed, view)
    count, length, one, channels = x.shape
    vectors = x.reshape(count, length * one, channels // AXES, AXES).astype(np.float32)
    turned = np.einsum("ntkc,ndc->ntkd", vectors, turn)
    return within(turned.reshape(x.shape), x.dtype)


def rotations(ids: Ids, seed: int, view: int) -> NDArray[np.float32]:
    """Draw a rotation an example, (examples, 3, 3), by Rodrigues' formula."""
    key = counter.keys(seed, ids, view, ROTATE)
    axis = counter.normal(key, AXES).astype(np.float64)
    axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-12)
    angle = LARGEST_ANGLE * (2 * counter.unit(counter.sequence(key, 16)[:, -1]).astype(np.float64) - 1)
    cross = np.zeros((len(ids), AXES, AXES))
    for row, column, part, sign in ((0, 1, 2, -1), (0, 2, 1, 1), (1, 2, 0, -1)):
        cross[:, row, column] = sign * axis[:, part]
        cross[:, column, row] = -sign * axis[:, part]
    sine, versine = np.sin(angle)[:, None, None], (1 - np.cos(angle))[:, None, None]
    turn: NDArray[np.float32] = (np.eye(AXES) + sine * cross + versine * (cross @ cross)).astype(np.float32)
    return turn


def gain(x: Examples, ids: Ids, seed: int, view: int) -> Examples:
    """Make an example weaker or stronger, by up to 30 %."""
    drawn = counter.unit(counter.keys(seed, ids, view, GAIN))
    factor = 1 + np.float32(LARGEST_GAIN) * (2 * drawn - 1)
    return within(x * factor.reshape(-1, 1, 1, 1), x.dtype)


def warp(x: Examples, ids: Ids, seed: int, view: int) -> Examples:
    """Play an example up to 1.25 times as fast or as slow about its middle; what is missing at the ends is mirrored."""
    drawn = counter.unit(counter.keys(seed, ids, view, WARP)).astype(np.float64)
    speed = LARGEST_STRETCH ** (2 * drawn - 1)
    last = x.shape[1] - 1
    middle = last / 2
    place = np.abs(middle + (np.arange(last + 1) - middle) * speed[:, None])
    place = np.clip(np.where(place > last, 2 * last - place, place), 0, last)
    before = np.floor(place).astype(np.int64)
    after = np.minimum(before + 1, last)
    share = (place - before).astype(np.float32)[:, :, None, None]
    rows = np.arange(len(x))[:, None]
    return within(x[rows, before] * (1 - share) + x[rows, after] * share, x.dtype)


def within(values: NDArray[Any], kind: np.dtype[Any]) -> Examples:
    """Turn numbers into a sensor's own type; integers are rounded, and stop at its ends as the sensor does."""
    if kind.kind in "iu":
        values = np.clip(np.rint(values), np.iinfo(kind).min, np.iinfo(kind).max)
    changed: Examples = values.astype(kind)
    return changed
