"""How many channels each group loses, and which."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.graph import ChannelGraph, Group
from tinyc.compression.pruning.importance import Scores
from tinyc.compression.pruning.layer_amounts import LayerAmounts
from tinyc.network.contract import Skipped

Part = Literal["channels", "heads"]
Removals = NDArray[np.int64]


def selected(group: Group, amounts: LayerAmounts) -> Group:
    """Block a group of which `skip` or `only` leaves a layer out: cutting the others would cut that one too.

    Heads are selected by any of their layers, and left alone where `skip` names one.
    """
    left_out = [name for name in group.layers if name not in amounts.fractions]
    if group.attentions and len(left_out) < len(group.layers):
        left_out = [name for name in left_out if name in amounts.skipped]
    if group.blocked or not left_out:
        return group
    option = "skip" if left_out[0] in amounts.skipped else "only"
    why = "`skip` names it" if option == "skip" else "`only` does not name it"
    return replace(group, blocked=Skipped(left_out[0], why))


def of_part(group: Group, part: Part) -> Group:
    """Block a group of heads where channels are cut, and one of channels where heads are."""
    if group.blocked or bool(group.attentions) == (part == "heads"):
        return group
    why = (
        'it makes heads: how = "heads" cuts them' if group.attentions else 'it makes no heads: how = "channels" cuts it'
    )
    return replace(group, blocked=Skipped(group.layers[-1], why))


def rankable(group: Group, scores: Scores) -> Group:
    """Block a group that its importance cannot rank."""
    if group.blocked or not np.isnan(scores[group.channels]).any():
        return group
    return replace(group, blocked=Skipped(group.layers[0], "no BatchNormalization with a scale follows, to rank it by"))


def measured(group: Group, amounts: Mapping[tuple[str, ...], float]) -> Group:
    """Block a group whose sensitivity nobody measured."""
    if group.blocked or group.layers in amounts:
        return group
    return replace(group, blocked=Skipped(group.layers[0], "the sensitivity file has no group of these layers"))


def removable(group: Group, round_to: int) -> int:
    """Count the channels that may go: at least one, and at least one multiple of `round_to`, stays."""
    return 0 if group.blocked else max(0, len(group.channels) - round_to)


def limits(graph: ChannelGraph, amounts: LayerAmounts, round_to: int) -> Removals:
    """Count the channels that each group may lose: the most careful of its layers' `keep_least` holds."""
    caps = np.zeros(len(graph.groups), dtype=np.int64)
    for place, group in enumerate(graph.groups):
        least = max((amounts.keep_least.get(name, 0.0) for name in group.layers), default=0.0)
        stay = math.ceil(least * len(group.channels) - 1e-9)
        caps[place] = max(0, min(removable(group, round_to), len(group.channels) - stay))
    return caps


def sizes(graph: ChannelGraph) -> Removals:
    """Count the channels of each group."""
    return np.array([len(group.channels) for group in graph.groups], dtype=np.int64)


def to_multiples(removals: Removals, graph: ChannelGraph, round_to: int) -> Removals:
    """Lessen each group's removals until a multiple of `round_to` stays, or all."""
    whole = sizes(graph)
    kept = np.minimum(whole, -(-(whole - removals) // round_to) * round_to)
    return np.asarray(whole - kept)


def own_fractions(graph: ChannelGraph, fractions: Mapping[str, float]) -> list[float]:
    """Give each group the least of its layers' fractions; 0 where it is blocked."""
    return [
        0.0 if group.blocked else min(fractions[name] for name in group.layers if name in fractions)
        for group in graph.groups
    ]


def by_group(graph: ChannelGraph, fractions: Sequence[float], caps: Removals, round_to: int) -> Removals:
    """Take of each group its fraction, rounded down."""
    counts = [floor(own * len(group.channels)) for own, group in zip(fractions, graph.groups, strict=True)]
    return to_multiples(np.minimum(counts, caps), graph, round_to)


def budget(graph: ChannelGraph, fraction: float) -> int:
    """Count the channels that a global ranking removes: a fraction of all in open groups, rounded down."""
    return floor(fraction * sum(len(group.channels) for group in graph.groups if not group.blocked))


def floor(amount: float) -> int:
    """Round down, forgiving the last bit: 0.29 * 100 is 29."""
    return math.floor(amount + 1e-9)


def by_rank(graph: ChannelGraph, amount: int, scores: Scores, caps: Removals, round_to: int) -> Removals:
    """Rank the channels of all groups together and remove the `amount` lowest, as long as their group may lose one."""
    candidates = [(scores[channel], channel, place) for place, group in enumerate(graph.groups)
                  if not group.blocked for channel in group.channels]  # fmt: skip
    counts = np.zeros(len(graph.groups), dtype=np.int64)
    left = amount
    for _, _, place in sorted(candidates):
        if left and counts[place] < caps[place]:
            counts[place] += 1
            left -= 1
    return to_multiples(counts, graph, round_to)


def keep_highest(graph: ChannelGraph, removals: Removals, scores: Scores) -> NDArray[np.bool_]:
    """Mark the channels that stay, (graph.count,): each group loses its lowest scores, the first of equals."""
    keep = np.ones(graph.count, dtype=bool)
    for group, count in zip(graph.groups, removals, strict=True):
        order = np.argsort(scores[group.channels], kind="stable")
        keep[group.channels[order[:count]]] = False
    return keep
