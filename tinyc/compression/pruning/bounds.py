"""The fewest and the most parameters that removing a given number of channels can leave.

A weight's size is a product of its axes' lengths, each a sum of group sizes: so the size of a network is a
polynomial in the counts of its groups, and the extremes are sought over the counts alone, without a ranking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.choice import Removals, budget, removable
from tinyc.compression.pruning.graph import ChannelGraph
from tinyc.compression.pruning.trace import Cut

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Sizes:
    """Parameters as a function of the channels that each group keeps.

    params(n) = fixed + sum over weights of scale * (first @ n) * (second @ n + alone)

    with `first` and `second` (weights, groups), one for each axis that shrinks: a weight has one, then `alone` is
    1, or two, then it is 0.
    """

    fixed: float
    scale: Matrix
    first: Matrix
    second: Matrix
    alone: Matrix

    def params(self, kept: Matrix) -> Matrix:
        """Count the parameters for kept channels, (..., groups)."""
        weights = (kept @ self.first.T) * (kept @ self.second.T + self.alone)
        return np.asarray(self.fixed + weights @ self.scale)


def sizes(model: Any, graph: ChannelGraph) -> Sizes:
    """Read the polynomial off the graph's cuts."""
    owner = np.zeros(graph.count, dtype=np.int64)
    for place, group in enumerate(graph.groups):
        owner[group.channels] = place
    axes: dict[tuple[str, str], list[Cut]] = {}
    for cut in graph.cuts:
        axes.setdefault((cut.layer, cut.weight), []).append(cut)
    total = sum(int(np.prod(weight.shape)) for layer in model.layers for weight in layer.weights)
    shape = (len(axes), len(graph.groups))
    scale, alone, factors = np.zeros(len(axes)), np.zeros(len(axes)), (np.zeros(shape), np.zeros(shape))
    for row, ((layer, weight), cuts) in enumerate(axes.items()):
        size = int(np.prod(getattr(model.get_layer(layer), weight).shape))
        total -= size
        scale[row] = size / np.prod([len(cut.channels) for cut in cuts])
        alone[row] = len(cuts) == 1
        for factor, cut in zip(factors, cuts, strict=False):
            factor[row] = np.bincount(owner[cut.channels], minlength=len(graph.groups))
    counts = np.array([len(group.channels) for group in graph.groups])
    first, second = (factor / counts for factor in factors)
    return Sizes(total, scale, first, second, alone)


@dataclass(frozen=True)
class Search:
    """Counts of channels to remove, in levels: at level l a group keeps l multiples of `round_to` fewer than all.

    A ranking that takes `most` or fewer channels of a group, and at least `fewest`, leaves it at that level. So a
    ranking of `budget` channels can reach all levels with sum(fewest) <= budget <= sum(most).
    """

    sizes: Sizes
    side: Literal["lower", "upper"]
    whole: Removals
    caps: Removals
    round_to: int
    budget: int

    @property
    def top(self) -> Removals:
        return self.level(self.caps)

    def level(self, removals: Removals) -> Removals:
        """Say at which level a group ends that loses so many."""
        return np.asarray(-(-self.whole // self.round_to) + (removals - self.whole) // self.round_to)

    def fewest(self, levels: Removals) -> Removals:
        kept = self.round_to * (-(-self.whole // self.round_to) - levels)
        return np.asarray(self.whole - np.minimum(kept, self.whole))

    def fill(self, levels: Removals) -> Removals:
        """Return how much of the budget each group takes: as little as it can for the lower bound, else as much."""
        if self.side == "lower":
            return self.fewest(levels)
        return np.minimum(self.caps, self.fewest(levels + 1) - 1)

    def left(self, levels: Removals) -> Removals:
        """Return what is left of the budget, or for the upper bound how far it is overdrawn; negative does not fit."""
        left = self.budget - self.fill(levels).sum(axis=-1)
        return np.asarray(left if self.side == "lower" else -left)

    def cost(self, levels: Removals) -> Matrix:
        """Parameters that stay, to be made small; negative for the upper bound."""
        params = self.sizes.params((self.whole - self.fewest(levels)).astype(np.float64))
        return params if self.side == "lower" else -params

    def within(self, levels: Removals) -> Removals:
        return np.minimum(np.maximum(levels, 0), self.top)

    def exact(self, levels: Removals) -> Removals:
        """Say for each group the level that it would end at, were it alone to use up the budget."""
        fill = self.fill(levels)
        return self.within(self.level(fill + self.budget - fill.sum()))


def extreme(
    model: Any,
    graph: ChannelGraph,
    fraction: float,
    round_to: int,
    side: Literal["lower", "upper"],
    caps: Removals | None = None,
) -> Removals:
    """Choose each group's removals so that the fewest ("lower") or the most ("upper") parameters stay.

    `caps`, (groups,), are the most that each may lose; None: all but `round_to`.

    A search over the counts, without a proof: it may miss the extreme now and then, and then by little.
    """
    whole = np.array([len(group.channels) for group in graph.groups], dtype=np.int64)
    if caps is None:
        caps = np.array([removable(group, round_to) for group in graph.groups], dtype=np.int64)
    amount = min(budget(graph, fraction), int(caps.sum()))
    search = Search(sizes(model, graph), side, whole, caps, round_to, amount)
    return search.fewest(best_levels(search))


def best_levels(search: Search) -> Removals:
    """Spend the budget greedily; then change one group, let the others make up for it, and keep what costs less."""
    start = np.zeros_like(search.whole) if search.side == "lower" else search.top
    step = int(search.top.max(initial=0))
    levels = spent(search, start, max(1, int(search.top.sum()) // 128))
    while step >= 1:
        better = improved(search, levels, step)
        step = step // 2 if np.array_equal(better, levels) else step
        levels = better
    return levels


def improved(search: Search, levels: Removals, step: int) -> Removals:
    """Change each group in turn, both ways; keep what lowers the cost once the others have made up for it."""
    for place in np.flatnonzero(search.top):
        for sign in (-1, 1):
            changed = levels.copy()
            changed[place] += sign * step
            trial = repaid(search, search.within(changed), step, place)
            if trial is not None:
                trial = spent(search, trial, step, place)
                levels = trial if search.cost(trial) < search.cost(levels) - 0.5 else levels
    return levels


def spent(search: Search, levels: Removals, step: int, frozen: int = -1) -> Removals:
    """Move groups towards less cost, where a channel of the budget brings most, as long as the levels fit."""
    sign = 1 if search.side == "lower" else -1
    while True:
        trials = each_moved(levels, search.within(levels + sign * step))
        trials = each_moved(levels, np.where(search.left(trials) >= 0, np.diagonal(trials), search.exact(levels)))
        place = steepest(search, levels, trials, frozen)
        if place is None:
            return levels
        levels = trials[place]


def repaid(search: Search, levels: Removals, step: int, frozen: int) -> Removals | None:
    """Move groups towards more cost, where it costs least, until the levels fit; None where they cannot."""
    sign = -1 if search.side == "lower" else 1
    while search.left(levels) < 0:
        trials = each_moved(levels, search.within(levels + sign * step))
        place = steepest(search, levels, trials, frozen)
        if place is None:
            return None
        levels = trials[place]
    return levels


def each_moved(levels: Removals, targets: Removals) -> Removals:
    """Set one group to its target in each row, (groups, groups)."""
    return np.asarray(levels + np.diag(targets - levels))


def steepest(search: Search, levels: Removals, trials: Removals, frozen: int) -> int | None:
    """Find the row that lowers the cost most for each channel by which it changes the fill; None where none moves."""
    fill = np.abs(search.fill(trials).sum(axis=1) - search.fill(levels).sum())
    if frozen >= 0:
        fill[frozen] = 0
    if not fill.any():
        return None
    drop = search.cost(levels) - search.cost(trials)
    return int(np.argmax(np.divide(drop, fill, out=np.full(len(fill), -np.inf), where=fill > 0)))
