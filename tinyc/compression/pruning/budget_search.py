"""Remove channels until a network's costs are within bounds, with the least importance lost for what is saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.choice import Removals, to_multiples
from tinyc.compression.pruning.costs import UNITS, Bill, Costs
from tinyc.compression.pruning.graph import ChannelGraph, Keep
from tinyc.compression.pruning.importance import Scores

Per = Literal["channel", "byte", "mac"]
Rates = Callable[[Keep, Bill], Scores]
UNIT_OF: dict[Per, int] = {"byte": UNITS.index("file"), "mac": UNITS.index("macs")}
STRIDE = 64
"""The share of the open channels, one in so many, that goes before savings are counted anew."""


class Unreachable(Exception):
    """All that may go is gone, and the costs, (units,), are still over their bounds."""

    def __init__(self, left: Bill) -> None:
        super().__init__("the bounds cannot be met")
        self.left = left


@dataclass(frozen=True)
class BudgetSearch:
    """What is to be spent on: a network's costs, the bounds on them, and how many channels each group may lose."""

    costs: Costs
    graph: ChannelGraph
    limits: Bill
    caps: Removals
    round_to: int

    def bill(self, orders: list[NDArray[np.int64]], counts: Removals) -> tuple[Keep, Bill]:
        """Say what stays, and what it costs, once each group has lost the first `counts` of its order."""
        keep = np.ones(self.graph.count, dtype=bool)
        for order, count in zip(orders, to_multiples(counts, self.graph, self.round_to), strict=True):
            keep[order[:count]] = False
        return keep, self.costs.total(keep)

    def within(self, bill: Bill) -> bool:
        return bool((bill <= self.limits * (1 + 1e-9)).all())

    def progress(self, keep: Keep, bill: Bill) -> Scores:
        """Say how much of all that is still over its bound each channel would save, (channels,)."""
        over = np.maximum(bill - self.limits, 0)
        saved = self.costs.saved(keep)
        return np.asarray(sum((saved[unit] / over[unit] for unit in np.flatnonzero(over)), np.zeros(self.graph.count)))


def per_saved(ranks: Scores, saved: Scores) -> Scores:
    """Divide importance by what a channel saves; one that saves nothing goes last."""
    return np.divide(ranks, saved, out=np.full(len(ranks), np.inf), where=saved > 0)


def loss_rates(search: BudgetSearch, ranks: Scores, per: Per | None) -> Rates:
    """Rank by importance for each channel, byte or MAC saved; None: for what is still over its bound."""

    def rates(keep: Keep, bill: Bill) -> Scores:
        if per == "channel":
            return ranks
        return per_saved(ranks, search.progress(keep, bill) if per is None else search.costs.saved(keep)[UNIT_OF[per]])

    return rates


def extreme_rates(search: BudgetSearch, side: Literal["lower", "upper"]) -> Rates:
    """Rank so that, once within the bounds, the least ("lower") or the most is left of all that has none."""
    whole = search.costs.total(np.ones(search.graph.count, dtype=bool))

    def rates(keep: Keep, bill: Bill) -> Scores:
        progress = search.progress(keep, bill)
        saved = search.costs.saved(keep)
        other = sum((saved[unit] / whole[unit] for unit in (0, 1) if whole[unit]), np.zeros(len(progress)))
        return per_saved(progress, other) if side == "lower" else per_saved(other, progress)

    return rates


def search_budget(search: BudgetSearch, ranks: Scores, rates: Rates) -> Removals:
    """Remove the lowest rates, group by group in the order of `ranks`, until all costs are within their bounds.

    Savings shrink as other channels go, so they are counted anew after each STRIDE-th of what is open.

    Raises:
        Unreachable: the bounds cannot be met.
    """
    orders = [group.channels[np.argsort(ranks[group.channels], kind="stable")] for group in search.graph.groups]
    counts = np.zeros(len(orders), dtype=np.int64)
    keep, bill = search.bill(orders, counts)
    while not search.within(bill):
        queue = queued(orders, counts, search.caps, rates(keep, bill))
        if not len(queue):
            raise Unreachable(bill)
        counts = counts + taken(search, orders, counts, queue[: max(1, len(queue) // STRIDE)])
        keep, bill = search.bill(orders, counts)
    return to_multiples(counts, search.graph, search.round_to)


def queued(orders: list[NDArray[np.int64]], counts: Removals, caps: Removals, rates: Scores) -> NDArray[np.int64]:
    """List the groups of all channels that may still go, the lowest rate first; a group's own order is kept."""
    open_to = [order[count:cap] for order, count, cap in zip(orders, counts, caps, strict=True)]
    places = np.repeat(np.arange(len(orders)), [len(each) for each in open_to])
    rising = [np.maximum.accumulate(rates[each]) for each in open_to if len(each)]
    return places[np.argsort(np.concatenate(rising), kind="stable")] if rising else places


def taken(
    search: BudgetSearch, orders: list[NDArray[np.int64]], counts: Removals, batch: NDArray[np.int64]
) -> Removals:
    """Take as few of a batch as meet the bounds, else all of it; gives each group's share."""

    def first(number: int) -> Removals:
        return np.bincount(batch[:number], minlength=len(orders))

    low, high = 1, len(batch)
    while low < high:
        middle = (low + high) // 2
        if search.within(search.bill(orders, counts + first(middle))[1]):
            high = middle
        else:
            low = middle + 1
    return first(high)
