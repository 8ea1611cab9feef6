"""How much each group loses up to a point of the way: a fraction of its own, a share of all, or what a budget asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from tinyc.compression.pruning.bounds import extreme
from tinyc.compression.pruning.budget_search import (
    UNIT_OF,
    BudgetSearch,
    Per,
    Unreachable,
    extreme_rates,
    loss_rates,
    per_saved,
    search_budget,
)
from tinyc.compression.pruning.choice import Part, Removals, budget, by_group, by_rank, own_fractions, sizes
from tinyc.compression.pruning.costs import Bill, costs
from tinyc.compression.pruning.graph import ChannelGraph
from tinyc.compression.pruning.importance import Scores
from tinyc.compression.pruning.layer_amounts import LayerAmounts
from tinyc.core import units
from tinyc.core.errors import UserError
from tinyc.spec.budget import SPELLED, Budget, amount

Scope = Literal["group", "global"]
__all__ = ["Begin", "Part", "Per", "Scope", "removed"]


class Asked(Protocol):
    """What of a Ranking says how much goes."""

    @property
    def fraction(self) -> float: ...
    @property
    def scope(self) -> Scope: ...
    @property
    def round_to(self) -> int: ...
    @property
    def rehearse(self) -> Literal["lower", "upper"] | None: ...
    @property
    def per(self) -> Per | None: ...
    @property
    def budget(self) -> Budget | None: ...
    @property
    def amounts(self) -> Mapping[tuple[str, ...], float] | None: ...


@dataclass(frozen=True)
class Begin:
    """The network before the first round: what may go of each group, what all of it costs, and what has no formula."""

    graph: ChannelGraph
    amounts: LayerAmounts
    caps: Removals
    bill: Bill
    where: str
    uncounted: tuple[str, ...] = ()


def removed(model: Any, graph: ChannelGraph, asked: Asked, ranks: Scores, begin: Begin, share: float) -> Removals:
    """Count what each group of `graph` loses now, so that a `share` of the way from `begin` is gone.

    Raises:
        UserError: a budget cannot be met.
    """
    gone = sizes(begin.graph) - sizes(graph)
    if asked.budget is not None:
        return to_budget(asked.budget, model, graph, asked, ranks, begin, share)
    if asked.amounts is not None or asked.scope == "group":
        fractions = [own * share for own in group_fractions(asked, begin)]
        return np.asarray(by_group(begin.graph, fractions, begin.caps, asked.round_to) - gone)
    if asked.rehearse is not None:
        return extreme(model, graph, asked.fraction * share, asked.round_to, asked.rehearse, begin.caps)
    count = budget(begin.graph, asked.fraction * share) - int(gone.sum())
    return by_rank(graph, count, per_unit(model, graph, ranks, asked.per), begin.caps - gone, asked.round_to)


def group_fractions(asked: Asked, begin: Begin) -> list[float]:
    """Give each group its fraction: the one measured for its layers, or the one asked for."""
    if asked.amounts is None:
        return own_fractions(begin.graph, begin.amounts.fractions)
    return [asked.amounts.get(group.layers, 0.0) * (group.blocked is None) for group in begin.graph.groups]


def per_unit(model: Any, graph: ChannelGraph, ranks: Scores, per: Per | None) -> Scores:
    """Divide importance by the bytes or MACs that a channel of the whole network saves."""
    if per is None or per == "channel":
        return ranks
    return per_saved(ranks, costs(model, graph).saved(np.ones(graph.count, dtype=bool))[UNIT_OF[per]])


def to_budget(
    allowed: Budget, model: Any, graph: ChannelGraph, asked: Asked, ranks: Scores, begin: Begin, share: float
) -> Removals:
    """Remove until a share of what is over the budget is gone."""
    last = limits_of(allowed, begin.bill)
    bounds = np.where(np.isinf(last), last, begin.bill - share * np.maximum(begin.bill - last, 0))
    caps = begin.caps - (sizes(begin.graph) - sizes(graph))
    search = BudgetSearch(costs(model, graph), graph, bounds, caps, asked.round_to)
    rates = extreme_rates(search, asked.rehearse) if asked.rehearse else loss_rates(search, ranks, asked.per)
    try:
        return search_budget(search, ranks, rates)
    except Unreachable as error:
        raise out_of_reach(begin.where, last, error.left) from None


def limits_of(allowed: Budget, start: Bill) -> Bill:
    """Give the most that may remain, (units,), of a network that costs `start`; infinite where all may."""
    texts = [getattr(allowed, key) for key in SPELLED]
    bounds = [
        np.inf if text is None else amount(key, text, cost)
        for key, text, cost in zip(SPELLED, texts, start, strict=True)
    ]
    return np.array(bounds)


def out_of_reach(where: str, limits: Bill, left: Bill) -> UserError:
    """Say which entries of a budget cannot be met, and what is left at the least."""
    missed = [
        f"{key} <= {units.show(limit, unit)} (at least {units.show(cost, unit)} stay)"
        for (key, unit), limit, cost in zip(SPELLED.items(), limits, left, strict=True)
        if cost > limit
    ]
    remedy = "allow more, lower `keep_least` or `round_to`, or let `only` and `skip` leave out fewer layers"
    return UserError(f"{where}.budget", f"it cannot be met by cutting alone: {', '.join(missed)}", remedy)
