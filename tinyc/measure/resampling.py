"""95 % intervals of shares, of paired differences and of metrics, over examples or over whole recordings.

Windows of one recording are alike, and those that overlap share samples: resampled one by one they look like far more
evidence than they are. Where the examples come of recordings, recordings are drawn anew, each whole with all of its
examples (the cluster bootstrap: Field and Welsh, "Bootstrapping clustered data", J. R. Stat. Soc. B 69, 2007). Of few
recordings such an interval is too narrow rather than too wide; how many there are stands beside it in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.measure import intervals
from tinyc.measure.intervals import SEED

RESAMPLES = 2000
# Draws are made in blocks of about this many, so that many recordings need no more memory than few.
BLOCK = 1 << 21
Limits = tuple[float | None, float | None]
Recordings = NDArray[Any] | None
NOTHING: Limits = (None, None)


def of_share(right: NDArray[np.bool_], recordings: Recordings) -> Limits:
    """Give the interval of the share of `right`, (examples,): Wilson's, or over `recordings`, (examples,).

    Over one recording there is none. Where all recordings are wholly right, or wholly wrong, resampling would show no
    spread at all; the interval is then Wilson's, with each recording as one example.
    """
    if recordings is None:
        return intervals.wilson(int(right.sum()), len(right))
    place, count = numbered(recordings)
    if count < 2:
        return NOTHING
    if right.all() or not right.any():
        return intervals.wilson(count if right.all() else 0, count)
    return percentiles(ratios(np.bincount(place, right), np.bincount(place)))


def of_difference(first: NDArray[np.bool_], second: NDArray[np.bool_], recordings: Recordings) -> Limits:
    """Give the interval of the share of `first` minus that of `second`, on the same examples or recordings.

    Over one recording there is none; nor where the two agree on every example, since no resample then shows a spread.
    """
    if recordings is None:
        return intervals.paired(first, second)
    place, count = numbered(recordings)
    if count < 2:
        return NOTHING
    if np.array_equal(first, second):
        return NOTHING
    return percentiles(ratios(np.bincount(place, first.astype(float) - second), np.bincount(place)))


def of_metric(statistic: Callable[[NDArray[Any]], float], examples: int, recordings: Recordings) -> Limits:
    """Give the interval of a statistic of weighted examples by resampling them, or their recordings.

    Args:
        statistic: from how often each example was drawn, (examples,), to the value.
        examples: how many examples there are.
        recordings: the recording of each, (examples,), or None where each stands for itself.
    """
    if recordings is None:
        return intervals.bootstrap(statistic, examples)
    place, count = numbered(recordings)
    if count < 2:
        return NOTHING
    return percentiles(np.array([statistic(drawn[place]) for block in draws(count) for drawn in block]))


def numbered(recordings: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """Assign numbers from 0 to the recordings; gives each example's, (examples,), and how many recordings there are."""
    found, place = np.unique(recordings, return_inverse=True)
    return np.asarray(place, np.int64).reshape(-1), len(found)


def draws(count: int) -> Iterator[NDArray[np.int64]]:
    """Draw `count` of as many recordings with replacement, RESAMPLES times, the same at every call.

    Gives blocks of (resamples, recordings): how often each recording was drawn.
    """
    random = np.random.default_rng(SEED)
    left, most = RESAMPLES, max(1, BLOCK // count)
    while left:
        size = min(left, most)
        yield random.multinomial(count, np.full(count, 1 / count), size)
        left -= size


def ratios(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    """Resample the ratio of two totals over recordings, each given by recording; (RESAMPLES,)."""
    parts = np.stack([above, below], axis=1).astype(np.float64)
    sums = np.concatenate([block @ parts for block in draws(len(parts))])
    return np.asarray(sums[:, 0] / sums[:, 1])


def percentiles(values: NDArray[np.float64]) -> Limits:
    """Give the middle 95 % of resampled values; none where the statistic exists in no resample."""
    known = values[np.isfinite(values)]
    if not len(known):
        return NOTHING
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
