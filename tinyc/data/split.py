"""Who trains, validates, calibrates and tests: chosen per class by a hash of (seed, id), never by position."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.recordings import counter

TEST, VALIDATION, CALIBRATION = 11, 12, 13  # streams, apart from those of the augmentations
TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1
MANY_EXAMPLES = 5000
VALIDATION_COUNT = 1000


def validation_count(asked: float | None, examples: int) -> int:
    """Turn the recipe's count or fraction into a count; default 1000 of 5000 examples or more, else 10 %."""
    if asked is None:
        return VALIDATION_COUNT if examples >= MANY_EXAMPLES else round(examples * VALIDATION_FRACTION)
    return asked if isinstance(asked, int) else round(examples * asked)


def stratified(y: NDArray[np.int64], ids: NDArray[np.int64], count: int, seed: int, stream: int) -> NDArray[np.bool_]:
    """Choose about `count` examples with each class in proportion, (examples,).

    At least one of each class is chosen and at least one left, where the class has two.
    """
    chosen: NDArray[np.bool_] = ranks(y, ids, seed, stream) < quotas(np.bincount(y), count)[y]
    return chosen


def in_turn(y: NDArray[np.int64], ids: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Choose `count` examples class by class in turn: the first of each class, then the second, ...; indices."""
    order: NDArray[np.int64] = np.lexsort((y, ranks(y, ids, seed, CALIBRATION)))
    return order[:count]


def ranks(y: NDArray[np.int64], ids: NDArray[np.int64], seed: int, stream: int) -> NDArray[np.int64]:
    """Shuffle each class: the place of every example among those of its class."""
    order = np.lexsort((counter.keys(seed, ids, stream), y))
    sizes = np.bincount(y)
    first = np.cumsum(sizes) - sizes
    places = np.empty(len(y), np.int64)
    places[order] = np.arange(len(y)) - first[y[order]]
    return places


def quotas(sizes: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Share `count` among classes in proportion to their sizes, by largest remainders."""
    exact = sizes * (count / max(1, int(sizes.sum())))
    shares: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    missing = count - int(shares.sum())
    shares[np.argsort(shares - exact, kind="stable")[:missing]] += 1
    return np.clip(shares, np.minimum(1, np.maximum(0, sizes - 1)), np.maximum(0, sizes - 1))
