"""Channel pruning: rank coupled channels, and rebuild the network without the least important, in one round or more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tinyc.compression.pruning.amounts import Begin, Part, Per, Scope, removed
from tinyc.compression.pruning.choice import keep_highest, limits, measured, of_part, rankable, selected, sizes
from tinyc.compression.pruning.costs import UNITS, Bill, costs
from tinyc.compression.pruning.graph import ChannelGraph, channel_graph, shrunk
from tinyc.compression.pruning.importance import NEED_EXAMPLES, Examples, Importance, Scores, scores
from tinyc.compression.pruning.layer_amounts import LayerAmounts
from tinyc.compression.pruning.surgery import remove_channels
from tinyc.core.errors import UserError
from tinyc.network.contract import Skipped
from tinyc.spec.budget import Budget


@dataclass(frozen=True)
class Ranking:
    """How channels are chosen.

    Attributes:
        fraction: of each coupled group, or under the global scope of all prunable channels together.
        importance: what ranks them.
        scope: ranked within each group, or all together.
        round_to: channels that stay in a group are a multiple of this, or all.
        rehearse: rank nothing; under the global scope take the choice that leaves the fewest ("lower") or most
            ("upper") parameters.
        part: cut whole heads of attention, or all channels but those.
        per: rank all together by importance for each channel, byte or MAC saved; None: by channel, and under a budget
            by what is still over it.
        budget: what may remain, in place of `fraction`.
        amounts: a fraction for each group by its layers, in place of `fraction`.
    """

    fraction: float
    importance: Importance = "l1"
    scope: Scope = "group"
    round_to: int = 1
    rehearse: Literal["lower", "upper"] | None = None
    part: Part = "channels"
    per: Per | None = None
    budget: Budget | None = None
    amounts: Mapping[tuple[str, ...], float] | None = None


@dataclass(frozen=True)
class GroupCount:
    """One coupled group and its channels, or the heads of its `attentions`, before and after."""

    layers: tuple[str, ...]
    attentions: tuple[str, ...]
    before: int
    after: int


@dataclass(frozen=True)
class Pruned:
    """A fresh network with fewer channels.

    Attributes:
        groups: what each group lost.
        skipped: the layers that were left whole.
        bills: costs in the order of UNITS, before the first round and after each; no MACs where they are not counted.
        uncounted: the layers that may multiply in a way that no formula counts.
    """

    model: Any
    groups: tuple[GroupCount, ...]
    skipped: tuple[Skipped, ...]
    bills: tuple[Mapping[str, int | None], ...]
    uncounted: tuple[str, ...] = ()


def channels(
    model: Any,
    ranking: Ranking,
    amounts: LayerAmounts,
    where: str,
    examples: Examples | None = None,
    rounds: int = 1,
    tune: Callable[[Any, int], None] = lambda model, number: None,
) -> Pruned:
    """Physically remove channels from a functional Keras network; `model` is not changed.

    Args:
        where: the key path of the pass, for messages.
        examples: training examples, which importance by gradients needs.
        rounds: cut so many times, each time an equal part of the way; channels are ranked anew before each.
        tune: what trains the smaller network in place after each round, numbered from 0.

    Raises:
        UserError: the network is subclassed, no group of its channels can be cut, or a budget cannot be met.
    """
    begin, ranks, skipped = survey(model, ranking, amounts, where, examples)
    graph, bills = begin.graph, [begin.bill]
    for number in range(rounds):
        ranks = rank(model, graph, ranking, examples) if number else ranks
        removals = removed(model, graph, ranking, ranks, begin, (number + 1) / rounds)
        keep = keep_highest(graph, removals, ranks)
        model, graph = remove_channels(model, graph, keep), shrunk(graph, keep)
        bills.append(costs(model, graph).whole)
        tune(model, number)
    return Pruned(
        model, counts(begin.graph, graph), skipped, tuple(costs_by_name(bill, begin.uncounted) for bill in bills),
        begin.uncounted,
    )  # fmt: skip


def survey(
    model: Any, ranking: Ranking, amounts: LayerAmounts, where: str, examples: Examples | None
) -> tuple[Begin, Scores, tuple[Skipped, ...]]:
    """Find and rank the channels that may be cut, and the layers that stay whole."""
    graph = channel_graph(model)
    graph = replace(graph, groups=tuple(of_part(selected(group, amounts), ranking.part) for group in graph.groups))
    if ranking.amounts is not None:
        graph = replace(graph, groups=tuple(measured(group, ranking.amounts) for group in graph.groups))
    ranks = rank(model, graph, ranking, examples)
    graph = replace(graph, groups=tuple(rankable(group, ranks) for group in graph.groups))
    meant = [group for group in graph.groups if group.attentions or ranking.part == "channels"]
    skipped = tuple(each for group in meant for each in group.skipped(model) if is_selected(each, amounts))
    if all(group.blocked for group in graph.groups):
        raise nothing_to_cut(where, ranking.part, skipped)
    price = costs(model, graph)
    if ranking.budget is not None and ranking.budget.macs is not None and price.uncounted:
        raise uncountable(where, price.uncounted, model)
    begin = Begin(graph, amounts, limits(graph, amounts, ranking.round_to), price.whole, where, price.uncounted)
    return begin, ranks, tuple(dict.fromkeys(skipped))


def costs_by_name(bill: Bill, uncounted: tuple[str, ...]) -> dict[str, int | None]:
    """Name the costs; MACs of which some are not counted are none."""
    whole: dict[str, int | None] = {unit: round(float(cost)) for unit, cost in zip(UNITS, bill, strict=True)}
    return {**whole, "macs": None} if uncounted else whole


def uncountable(where: str, layers: tuple[str, ...], model: Any) -> UserError:
    """Refuse a budget of MACs that cannot be counted."""
    named = ", ".join(f"{name} ({type(model.get_layer(name)).__name__})" for name in layers)
    problem = f"no formula counts the multiplications of {named}"
    return UserError(f"{where}.budget.macs", problem, "give the budget in `params` or `file`")


def is_selected(skipped: Skipped, amounts: LayerAmounts) -> bool:
    """Say whether a layer was meant to be cut, so that leaving it whole must be said."""
    return skipped.layer in amounts.fractions


def rank(model: Any, graph: ChannelGraph, ranking: Ranking, examples: Examples | None) -> Scores:
    """Score the channels; a rehearsal needs no order, but the same groups must be rankable."""
    if ranking.rehearse is None:
        return scores(model, graph, ranking.importance, examples)
    return scores(model, graph, "l1" if ranking.importance in NEED_EXAMPLES else ranking.importance, None)


def counts(before: ChannelGraph, after: ChannelGraph) -> tuple[GroupCount, ...]:
    """List the groups that were open to cutting."""
    return tuple(
        GroupCount(group.layers, group.attentions, int(old), int(new))
        for group, old, new in zip(before.groups, sizes(before), sizes(after), strict=True)
        if not group.blocked
    )


def nothing_to_cut(where: str, part: Part, skipped: tuple[Skipped, ...]) -> UserError:
    reasons = "; ".join(f"{each.layer}: {each.why}" for each in skipped[:8])
    return UserError(where, f"no {part} can be cut ({reasons or f'no selected layer makes {part}'})",
                     "name other layers in `only`, or leave the pass out")  # fmt: skip
