"""Few values in place of many: k-means in one dimension, over all channels of a weight at once (Lloyd 1982).

The numbers of a channel are sorted, so that a cluster is a run of neighbours: an iteration moves the cuts between
runs, and running sums give each run's mean. Channels may differ in length, since zeros can be set aside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.clustering.tables import Axis, as_weight, channels

Per = Literal["channel", "layer"]
Start = Literal["kmeans++", "density", "linear"]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]

ITERATIONS = 100
DRAWN = 2048
"""Numbers of a channel, evenly spaced in their order, that k-means++ draws its start from."""


def share(
    weight: NDArray[Any], clusters: int, *, per: Per, axis: Axis = -1, start: Start, seed: int, keep_zeros: bool
) -> NDArray[Any]:
    """Move each number of a weight to the mean of its cluster.

    Args:
        clusters: distinct values that stay, at most, in each channel or in the whole weight; 2 or more.
        per: whether each channel has values of its own.
        axis: the axis or axes that number the channels; () is one channel.
        start: where the means begin: at numbers drawn far apart (k-means++, Arthur and Vassilvitskii 2007), at
            quantiles ("density"), or evenly spaced from the least to the greatest ("linear").
        keep_zeros: zeros stay zero and are one of the clusters, where there are any.

    Returns:
        A new array of the same shape and type. A channel that has few enough values already is as it was.
    """
    rows = channels(weight, axis if per == "channel" else ())
    apart = (rows == 0) & keep_zeros
    numbers = ragged(rows, apart)
    room = np.where(apart.any(axis=1), clusters - 1, clusters)
    means = lloyd(numbers, begin(numbers, room, clusters, start, seed))
    made = np.zeros(rows.shape, weight.dtype)
    made.reshape(-1)[numbers.places] = settled(numbers, means)
    few = np.asarray(distinct_of(numbers) <= room)[:, None]
    return as_weight(np.where(few, rows, made), weight.shape, axis if per == "channel" else ())


@dataclass(frozen=True)
class Ragged:
    """The numbers of all rows, each row sorted, one row after the other.

    Attributes:
        values: (numbers,).
        places: (numbers,), where each stood in the flattened rows.
        edges: (rows + 1,), where each row begins and the last ends.
        scaled: (numbers,), each row mapped to [0, 1] and shifted by twice its index, so that all are in order.
        low, span: (rows,), the map of `scaled`.
    """

    values: Floats
    places: Places
    edges: Places
    scaled: Floats
    low: Floats
    span: Floats

    @property
    def row(self) -> Places:
        return np.repeat(np.arange(len(self.edges) - 1), np.diff(self.edges))


def ragged(rows: NDArray[Any], apart: NDArray[np.bool_]) -> Ragged:
    """Sort each row, leaving out what is set apart."""
    exact = rows.astype(np.float64)
    order = np.argsort(np.where(apart, np.inf, exact), axis=1, kind="stable")
    lengths = rows.shape[1] - np.count_nonzero(apart, axis=1)
    stays = np.arange(rows.shape[1]) < lengths[:, None]
    values = np.take_along_axis(exact, order, axis=1)
    places = (order + np.arange(len(rows))[:, None] * rows.shape[1])[stays]
    low = np.where(lengths > 0, values[:, 0], 0.0)
    high = np.take_along_axis(values, np.maximum(lengths - 1, 0)[:, None], axis=1)[:, 0]
    span = np.where(high > low, high - low, 1.0)
    edges = np.concatenate([[0], np.cumsum(lengths)])
    scaled = ((values - low[:, None]) / span[:, None] + 2.0 * np.arange(len(rows))[:, None])[stays]
    return Ragged(values[stays], places, edges, scaled, low, span)


def distinct_of(numbers: Ragged) -> Places:
    """Count the distinct values of each row, (rows,)."""
    row = numbers.row
    new = np.ones(len(row), bool)
    new[1:] = (np.diff(numbers.values) != 0) | (np.diff(row) != 0)
    return np.bincount(row[new], minlength=len(numbers.low)).astype(np.int64)


def begin(numbers: Ragged, room: Places, clusters: int, start: Start, seed: int) -> Floats:
    """Choose the first means, (rows, clusters), in order; those beyond a row's room are infinite and take nothing."""
    inside = np.arange(clusters) < room[:, None]
    if start == "linear":
        means = numbers.low[:, None] + numbers.span[:, None] * np.arange(clusters) / np.maximum(room - 1, 1)[:, None]
    elif start == "density":
        means = at(numbers, (np.arange(clusters) + 0.5) / room[:, None])
    else:
        means = far_apart(numbers, clusters, np.random.default_rng(seed))
    return np.sort(np.where(inside, means, np.inf), axis=1)


def at(numbers: Ragged, shares: Floats) -> Floats:
    """Give the numbers at these shares of each row's order, (rows, shares); zeros of an empty row."""
    lengths = np.diff(numbers.edges)[:, None]
    places = numbers.edges[:-1, None] + np.minimum((shares * lengths).astype(np.int64), np.maximum(lengths - 1, 0))
    padded = np.append(numbers.values, 0.0)
    found: Floats = np.where(lengths > 0, padded[np.minimum(places, len(numbers.values))], 0.0)
    return found


def far_apart(numbers: Ragged, clusters: int, random: np.random.Generator) -> Floats:
    """Draw numbers by the square of their distance to the nearest one drawn before."""
    drawn = max(1, min(DRAWN, int(np.diff(numbers.edges).max())))
    shares = (np.arange(drawn) + 0.5) / drawn
    pool = at(numbers, np.broadcast_to(shares, (len(numbers.low), drawn)))
    away = np.ones_like(pool)
    means = np.empty((len(pool), clusters))
    for step in range(clusters):
        reach = np.cumsum(away, axis=1)
        aim = random.random((len(pool), 1)) * reach[:, -1:]
        chosen = np.minimum((reach <= aim).sum(axis=1), pool.shape[1] - 1)
        means[:, step] = np.take_along_axis(pool, chosen[:, None], axis=1)[:, 0]
        apart = np.square(pool - means[:, step, None])
        away = apart if step == 0 else np.minimum(away, apart)
    return means


def cuts(numbers: Ragged, means: Floats) -> Places:
    """Place the cuts between runs, (rows, clusters + 1): each number goes to the nearest mean."""
    borders = (means[:, 1:] + means[:, :-1]) / 2
    wanted = (borders - numbers.low[:, None]) / numbers.span[:, None] + 2.0 * np.arange(len(means))[:, None]
    found = np.searchsorted(numbers.scaled, wanted, side="left")
    ends = numbers.edges[:-1, None], numbers.edges[1:, None]
    return np.concatenate([ends[0], np.clip(found, *ends), ends[1]], axis=1)


def lloyd(numbers: Ragged, means: Floats) -> Floats:
    """Move the means until no number changes its cluster; a mean without numbers stays where it is."""
    sums = np.concatenate([[0.0], np.cumsum(numbers.values)])
    before = None
    for _ in range(ITERATIONS):
        edges = cuts(numbers, means)
        if before is not None and np.array_equal(edges, before):
            break
        before, counts = edges, np.diff(edges, axis=1)
        means = np.sort(np.where(counts > 0, np.diff(sums[edges], axis=1) / np.maximum(counts, 1), means), axis=1)
    return means


def settled(numbers: Ragged, means: Floats) -> Floats:
    """Give each number its cluster's mean, summed cluster by cluster rather than by differences of running sums."""
    lengths = np.diff(cuts(numbers, means), axis=1).ravel()
    cluster = np.repeat(np.arange(means.size), lengths)
    sums = np.bincount(cluster, weights=numbers.values, minlength=means.size)
    return np.asarray((sums / np.maximum(lengths, 1))[cluster])
