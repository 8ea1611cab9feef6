"""A group's channels silenced in place: the network computes what it would without them, in its old shapes.

Every weight that makes a channel, follows it or reads it is zero there. What is read with weight zero adds nothing,
so the outputs are those of the network after surgery, also where an activation turns zero into something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.choice import floor, keep_highest, rankable, removable
from tinyc.compression.pruning.costs import UNITS, costs
from tinyc.compression.pruning.graph import ChannelGraph, Group, channel_graph
from tinyc.compression.pruning.importance import Scores, scores
from tinyc.compression.pruning.trace import Cut
from tinyc.spec.sensitivity_file import Skip

AMOUNTS = (0.125, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Channels:
    """A network's coupled channels with their l1 scores."""

    graph: ChannelGraph
    ranks: Scores

    @property
    def groups(self) -> list[Group]:
        """The groups that can be cut, in the network's order."""
        return [group for group in self.graph.groups if group.blocked is None]


def channels(model: Any) -> Channels:
    """Couple a network's channels and rank them by l1 norm, as `prune` does.

    Raises:
        UserError: the network is subclassed, so that its calls cannot be followed.
    """
    graph = channel_graph(model)
    ranks = scores(model, graph, "l1", None)
    return Channels(replace(graph, groups=tuple(rankable(group, ranks) for group in graph.groups)), ranks)


def skipped(model: Any, found: Channels) -> tuple[Skip, ...]:
    """Name each layer whose channels stay whole, once."""
    each = [Skip(skip.layer, skip.why) for group in found.graph.groups for skip in group.skipped(model)]
    return tuple(dict.fromkeys(each))


def removed(group: Group, fraction: float) -> int:
    """Count the channels that a fraction takes from a group, as `prune` rounds; at least one stays."""
    return min(floor(fraction * len(group.channels)), removable(group, 1))


def without(model: Any, found: Channels, group: Group, count: int) -> dict[str, list[NDArray[Any]]]:
    """Give the weights of every layer that changes when the `count` lowest channels of a group fall silent."""
    counts = np.array([count if each is group else 0 for each in found.graph.groups], np.int64)
    keep = keep_highest(found.graph, counts, found.ranks)
    touched = [cut for cut in found.graph.cuts if not keep[cut.channels].all()]
    return {name: silenced(model.get_layer(name), cuts, keep) for name, cuts in by_layer(touched)}


def by_layer(cuts: Sequence[Cut]) -> Iterator[tuple[str, list[Cut]]]:
    for name in dict.fromkeys(cut.layer for cut in cuts):
        yield name, [cut for cut in cuts if cut.layer == name]


def silenced(layer: Any, cuts: Sequence[Cut], keep: NDArray[np.bool_]) -> list[NDArray[Any]]:
    """List a layer's weights in Keras' order, zero wherever a channel does not stay."""
    values: list[NDArray[Any]] = layer.get_weights()
    places = {id(variable): place for place, variable in enumerate(layer.weights)}
    for cut in cuts:
        place = places[id(getattr(layer, cut.weight))]
        value = np.moveaxis(values[place], cut.axis, -1) * keep[cut.channels]
        values[place] = np.moveaxis(value, -1, cut.axis).astype(values[place].dtype)
    return values


def shares(model: Any, found: Channels) -> list[tuple[int, int]]:
    """Count the parameters, and the MACs of an inference, that belong to each group that can be cut."""
    bill = costs(model, found.graph)
    saved = [bill.saved_by(group.channels) for group in found.groups]
    return [(round(each[UNITS.index("params")]), round(each[UNITS.index("macs")])) for each in saved]
