"""Which channels of a network are coupled, and which weights shrink when one of them goes.

Follows the dependency graph of DepGraph (Fang et al. 2023), with one number a channel in place of whole layers,
so that Concatenate and Flatten need no offsets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.arithmetic_rules import ARITHMETIC
from tinyc.compression.pruning.block_rules import BLOCKS
from tinyc.compression.pruning.rules import RULES
from tinyc.compression.pruning.trace import Channels, Cut, Node, Resize, Trace, Uncuttable
from tinyc.network import backend
from tinyc.network.checks import require_functional
from tinyc.network.contract import Skipped
from tinyc.network.signal_layers import WHY_FIXED, is_fixed

Keep = NDArray[np.bool_]
RESIZED = ("Reshape", "Attention", "WithConstant", "Slice")
"""Layers without weights whose configuration holds numbers of channels: of one call, not of several."""


@dataclass(frozen=True)
class Group:
    """Coupled channels that the same layers make; `channels` are their numbers in the graph.

    Attributes:
        layers: the layers that make them, in the network's order.
        channels: (count,); one number stands for one channel of every layer.
        blocked: None where the group can be cut, else the layer that stands against it, and why.
        attentions: the Attention layers among `layers`; where there is one, each channel is a head.
    """

    layers: tuple[str, ...]
    channels: Channels
    blocked: Skipped | None
    attentions: tuple[str, ...] = ()

    def skipped(self, model: Any) -> list[Skipped]:
        """Name each layer with weights or heads whose channels stay whole, and the reason."""
        if self.blocked is None:
            return []
        weighty = {layer.name for layer in model.layers if layer.weights} | {*self.attentions}
        return [Skipped(name, self.reason(name)) for name in self.layers if name in weighty]

    def reason(self, name: str) -> str:
        if self.blocked is None or self.blocked.layer == name:
            return self.blocked.why if self.blocked else ""
        return f"its channels are tied to layer {self.blocked.layer!r}: {self.blocked.why}"


@dataclass(frozen=True)
class ChannelGraph:
    """All coupled channels of a network, numbered from 0 to `count`, and where their weights are.

    `normalized` names the layers whose output goes straight into a BatchNormalization with a scale.
    """

    groups: tuple[Group, ...]
    cuts: tuple[Cut, ...]
    resizes: tuple[Resize, ...]
    normalized: frozenset[str]
    count: int


def channel_graph(model: Any) -> ChannelGraph:
    """Walk a functional Keras network and couple its channels.

    Raises:
        UserError: the network is subclassed, so that its calls cannot be followed.
    """
    require_functional(model)
    trace = Trace()
    channels: dict[int, Channels] = {}
    made_by: dict[int, str] = {}
    calls = Counter(node.layer.name for node in walk(model))
    for node in walk(model):
        outputs = flat(node.outputs)
        given = describe(node, channels, made_by)
        for tensor, made in zip(outputs, visit(trace, given, outputs, calls[node.layer.name] > 1), strict=True):
            channels[id(tensor)] = made
            made_by[id(tensor)] = node.layer.name
    for tensor in flat(model.outputs):
        trace.protect(channels[id(tensor)], made_by[id(tensor)], "it gives the network's output")
    return number(trace)


def shrunk(graph: ChannelGraph, keep: Keep) -> ChannelGraph:
    """Give the graph of the network without the channels that `keep`, (graph.count,), marks False."""
    numbers = np.cumsum(keep) - 1

    def left(channels: Channels) -> Channels:
        return np.asarray(numbers[channels[keep[channels]]])

    return replace(
        graph,
        groups=tuple(replace(group, channels=left(group.channels)) for group in graph.groups),
        cuts=tuple(replace(cut, channels=left(cut.channels)) for cut in graph.cuts),
        resizes=tuple(replace(resize, channels=left(resize.channels)) for resize in graph.resizes),
        count=int(keep.sum()),
    )


def walk(model: Any) -> Iterator[Any]:
    """Give the Keras nodes of a network in the order of computation; nodes of other networks are left out."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from model._nodes_by_depth[depth]


def flat(tensors: Any) -> list[Any]:
    return list(backend.tensorflow().nest.flatten(tensors))


def shape(tensor: Any) -> tuple[int | None, ...]:
    """Give a tensor's shape with the batch; empty where even its rank is unknown."""
    return () if tensor.shape.rank is None else tuple(tensor.shape)


def describe(node: Any, channels: dict[int, Channels], made_by: dict[int, str]) -> Node:
    """Collect what a rule sees of one call."""
    inputs = [] if node.is_input else node.keras_inputs
    return Node(
        layer=node.layer,
        inputs=tuple(channels[id(tensor)] for tensor in inputs),
        shapes=tuple(shape(tensor) for tensor in inputs),
        output_shape=shape(flat(node.outputs)[0]),
        sources=tuple(made_by[id(tensor)] for tensor in inputs),
    )


def visit(trace: Trace, node: Node, outputs: list[Any], shared: bool) -> list[Channels]:
    """Apply the layer's rule; where there is none, or it declines, keep all it touches whole."""
    try:
        return [rule_for(node, outputs, shared)(trace, node)]
    except Uncuttable as reason:
        made = [trace.fresh(node.layer.name, (shape(tensor) or (0,))[-1] or 0) for tensor in outputs]
        for touched in (*node.inputs, *made):
            trace.protect(touched, node.layer.name, str(reason))
        return made


def rule_for(node: Node, outputs: list[Any], shared: bool) -> Any:
    """Find the rule for one call.

    Raises:
        Uncuttable: none can vouch for it.
    """
    if is_fixed(node.layer.name):
        raise Uncuttable(WHY_FIXED)
    kind = type(node.layer)
    own = {"tinyc.network.blocks": BLOCKS, "tinyc.network.arithmetic": ARITHMETIC}.get(kind.__module__, {})
    rules = RULES if kind.__module__.startswith("tf_keras.") else own
    if kind.__name__ not in rules:
        raise Uncuttable(f"no rule says how {kind.__name__} treats channels")
    if getattr(node.layer, "data_format", None) == "channels_first":
        raise Uncuttable("it keeps channels first")
    if shared and (node.layer.weights or kind.__name__ in RESIZED):
        raise Uncuttable("it is called more than once")
    fixed = all(each[-1:] == (len(channels),) for each, channels in zip(node.shapes, node.inputs, strict=True))
    if len(outputs) != 1 or not fixed:
        raise Uncuttable("the number of its channels is not fixed")
    return rules[kind.__name__]


def number(trace: Trace) -> ChannelGraph:
    """Give each set of united channels one number, and sort them into groups by the layers that make them."""
    roots = np.array([trace.root(channel) for channel in range(len(trace.parent))], dtype=np.int64)
    names, numbers = np.unique(roots, return_inverse=True)
    makers: list[dict[str, None]] = [{} for _ in names]
    for channel, layer in zip(numbers, trace.maker, strict=True):
        makers[channel][layer] = None
    blocked: dict[int, Skipped] = {}
    for channels, layer, why in trace.protected:
        for channel in numbers[channels]:
            blocked.setdefault(int(channel), Skipped(layer, why))
    members: dict[tuple[str, ...], list[int]] = {}
    for channel, layers in enumerate(makers):
        members.setdefault(tuple(layers), []).append(channel)
    return ChannelGraph(
        groups=tuple(group(layers, channels, blocked, trace.attentions) for layers, channels in members.items()),
        cuts=tuple(replace(cut, channels=numbers[cut.channels]) for cut in trace.cuts),
        resizes=tuple(replace(resize, channels=numbers[resize.channels]) for resize in trace.resizes),
        normalized=frozenset(trace.normalized),
        count=len(names),
    )


def group(layers: tuple[str, ...], channels: list[int], blocked: dict[int, Skipped], attentions: set[str]) -> Group:
    """Block the whole group where one of its channels is blocked."""
    against = next((blocked[channel] for channel in channels if channel in blocked), None)
    heads = tuple(name for name in layers if name in attentions)
    return Group(layers, np.array(channels, dtype=np.int64), against, heads)
