"""The fewest and the most parameters that removing a given number of channels can leave.

A weight's size is a product of its axes' lengths, each a sum of group sizes: so the size of a network is a
polynomial in the counts of its groups, and the extremes are sought over the counts alone, without a ranking.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.pruning.choice import Removals, budget, removable
from tinyc.pruning.graph import ChannelGraph
from tinyc.pruning.trace import Cut

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

    def params(self, kept: Matrix) -> float:
        return float(self.fixed + self.scale @ ((self.first @ kept) * (self.second @ kept + self.alone)))


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
        return np.asarray(self.level(self.caps))

    def level(self, removals: Any) -> Any:
        """Say at which level a group ends that loses so many."""
        return -(-self.whole // self.round_to) + (removals - self.whole) // self.round_to

    def fewest(self, levels: Removals) -> Removals:
        kept = self.round_to * (-(-self.whole // self.round_to) - levels)
        return np.asarray(self.whole - np.minimum(kept, self.whole))

    def most(self, levels: Removals) -> Removals:
        return np.minimum(self.caps, self.fewest(levels + 1) - 1)

    def fill(self, levels: Removals) -> Removals:
        """How much of the budget each group takes: as little as it can for the lower bound, else as much."""
        return self.fewest(levels) if self.side == "lower" else self.most(levels)

    def cost(self, levels: Removals) -> float:
        """Parameters that stay, to be made small; negative for the upper bound."""
        params = self.sizes.params((self.whole - self.fewest(levels)).astype(np.float64))
        return params if self.side == "lower" else -params

    def balance(self, levels: Removals, place: int) -> Removals:
        """Let one group take up what is left of the budget, or give up what is too much."""
        fill = self.fill(levels)
        wanted = int(fill[place]) + self.budget - int(fill.sum())
        changed = levels.copy()
        changed[place] = min(max(0, int(self.level(wanted)[place])), int(self.top[place]))
        return changed

    def fits(self, levels: Removals) -> bool:
        total = int(self.fill(levels).sum())
        return total <= self.budget if self.side == "lower" else total >= self.budget


def extreme(
    model: Any, graph: ChannelGraph, fraction: float, round_to: int, side: Literal["lower", "upper"]
) -> Removals:
    """Choose each group's removals so that the fewest ("lower") or the most ("upper") parameters stay.

    Starts from two greedy choices and improves each by moving levels between pairs of groups until no move helps. A
    search, not a proof: on networks small enough to try every choice it finds the extremes for `round_to` of 1 and
    2, and may miss them by some per cent where groups are hardly wider than `round_to`.
    """
    whole = np.array([len(group.channels) for group in graph.groups], dtype=np.int64)
    caps = np.array([removable(group, round_to) for group in graph.groups], dtype=np.int64)
    amount = min(budget(graph, fraction), int(caps.sum()))
    search = Search(sizes(model, graph), side, whole, caps, round_to, amount)
    steps = (max(1, int(search.top.sum()) // 128), int(search.top.max(initial=1)))
    found = [improved(search, greedy(search, step)) for step in steps]
    return search.fewest(min(found, key=search.cost))


def greedy(search: Search, step: int) -> Removals:
    """Raise the level of the group where a channel of the budget lowers the cost most, again and again."""
    levels = np.zeros_like(search.whole)
    while True:
        tried = (raised(search, levels, place, step) for place in np.flatnonzero(levels < search.top))
        trials = [trial for trial in tried if trial is not None]
        if not trials or (search.side == "upper" and search.fits(levels)):
            return levels
        before, filled = search.cost(levels), search.fill(levels).sum()
        levels = max(trials, key=lambda trial: (before - search.cost(trial)) / (search.fill(trial).sum() - filled))


def raised(search: Search, levels: Removals, place: int, step: int) -> Removals | None:
    """Raise one group by up to `step` levels, as far as the budget goes; None where it does not."""
    changed = levels.copy()
    changed[place] = min(levels[place] + step, search.top[place])
    if search.side == "upper" or not search.fits(changed):
        exact = search.balance(levels, place)
        changed = exact if exact[place] < changed[place] else changed
    return changed if changed[place] > levels[place] else None


def improved(search: Search, levels: Removals) -> Removals:
    """Move levels from one group to another, in large steps and then smaller ones, while that lowers the cost."""
    best = search.cost(levels)
    step = int(search.top.max(initial=0))
    while step >= 1:
        found = False
        for giver, taker in itertools.permutations(np.flatnonzero(search.top), 2):
            trial = search.balance(shifted(search, levels, giver, step), taker)
            if search.fits(trial) and (cost := search.cost(trial)) < best - 0.5:
                levels, best, found = trial, cost, True
        step = step if found else step // 2
    return levels


def shifted(search: Search, levels: Removals, place: int, step: int) -> Removals:
    """Lower one group by `step` levels for the lower bound, raise it for the upper."""
    changed = levels.copy()
    move = -step if search.side == "lower" else step
    changed[place] = min(max(0, levels[place] + move), search.top[place])
    return changed
