"""Channel pruning: rank coupled channels, and rebuild the network without the least important."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tinyc.contract import Skipped
from tinyc.errors import UserError
from tinyc.pruning.aims import Aims
from tinyc.pruning.bounds import extreme
from tinyc.pruning.choice import Part, Removals, by_group, by_rank, keep_highest, of_part, rankable, selected
from tinyc.pruning.graph import ChannelGraph, channel_graph
from tinyc.pruning.importance import NEED_EXAMPLES, Examples, Importance, Scores, scores
from tinyc.pruning.surgery import Keep, remove_channels

Scope = Literal["group", "global"]


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
    """

    fraction: float
    importance: Importance = "l1"
    scope: Scope = "group"
    round_to: int = 1
    rehearse: Literal["lower", "upper"] | None = None
    part: Part = "channels"


@dataclass(frozen=True)
class GroupCount:
    """One coupled group and its channels, or the heads of its `attentions`, before and after."""

    layers: tuple[str, ...]
    attentions: tuple[str, ...]
    before: int
    after: int


@dataclass(frozen=True)
class Choice:
    """What stays: `keep`, (graph.count,), by coupled channel; `removals` by group; and the layers left whole."""

    graph: ChannelGraph
    keep: Keep
    removals: Removals
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Pruned:
    """A fresh network with fewer channels, what each group lost, and the layers that were left whole."""

    model: Any
    groups: tuple[GroupCount, ...]
    skipped: tuple[Skipped, ...]


def channels(model: Any, ranking: Ranking, aims: Aims, where: str, examples: Examples | None = None) -> Pruned:
    """Physically remove channels from a functional Keras network; `model` is not changed.

    Args:
        where: the key path of the pass, for messages.
        examples: training examples, which Taylor importance needs.

    Raises:
        UserError: the network is subclassed, or no group of its channels can be cut.
    """
    choice = choose(model, ranking, aims, where, examples)
    smaller = remove_channels(model, choice.graph, choice.keep)
    return Pruned(smaller, counts(choice.graph, choice.removals), choice.skipped)


def choose(model: Any, ranking: Ranking, aims: Aims, where: str, examples: Examples | None = None) -> Choice:
    """Decide which channels stay, as `channels` does, and change nothing."""
    graph = channel_graph(model)
    graph = replace(graph, groups=tuple(of_part(selected(group, aims), ranking.part) for group in graph.groups))
    ranks = rank(model, graph, ranking, examples)
    graph = replace(graph, groups=tuple(rankable(group, ranks) for group in graph.groups))
    meant = [group for group in graph.groups if group.attentions or ranking.part == "channels"]
    skipped = tuple(each for group in meant for each in group.skipped(model) if in_aims(each, aims))
    if all(group.blocked for group in graph.groups):
        raise nothing_to_cut(where, ranking.part, skipped)
    removals = removed(model, graph, ranking, aims, ranks)
    return Choice(graph, keep_highest(graph, removals, ranks), removals, tuple(dict.fromkeys(skipped)))


def in_aims(skipped: Skipped, aims: Aims) -> bool:
    """Say whether a layer was meant to be cut, so that leaving it whole must be told."""
    return skipped.layer in aims.fractions


def rank(model: Any, graph: ChannelGraph, ranking: Ranking, examples: Examples | None) -> Scores:
    """Score the channels; a rehearsal needs no order, but the same groups must be rankable."""
    if ranking.rehearse is None:
        return scores(model, graph, ranking.importance, examples)
    return scores(model, graph, "l1" if ranking.importance in NEED_EXAMPLES else ranking.importance, None)


def removed(model: Any, graph: ChannelGraph, ranking: Ranking, aims: Aims, ranks: Scores) -> Removals:
    """Count what each group loses."""
    if ranking.scope == "group":
        return by_group(graph, aims.fractions, ranking.round_to)
    if ranking.rehearse is None:
        return by_rank(graph, ranking.fraction, ranks, ranking.round_to)
    return extreme(model, graph, ranking.fraction, ranking.round_to, ranking.rehearse)


def counts(graph: ChannelGraph, removals: Removals) -> tuple[GroupCount, ...]:
    """List the groups that were open to cutting."""
    sizes = np.array([len(group.channels) for group in graph.groups])
    return tuple(
        GroupCount(group.layers, group.attentions, int(before), int(before - count))
        for group, before, count in zip(graph.groups, sizes, removals, strict=True)
        if not group.blocked
    )


def nothing_to_cut(where: str, part: Part, skipped: tuple[Skipped, ...]) -> UserError:
    reasons = "; ".join(f"{each.layer}: {each.why}" for each in skipped[:8])
    return UserError(where, f"no {part} can be cut ({reasons or f'no selected layer makes {part}'})",
                     "name other layers in `only`, or leave the pass out")  # fmt: skip
