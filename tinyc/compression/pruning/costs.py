"""What each channel costs: parameters, multiplications of an inference, bytes of the int8 weights.

A weight is a product of the lengths of its axes, so a network's cost is a sum of such products in the channels that
stay, and what a channel saves follows from how many of the others stay.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.graph import ChannelGraph, Keep, walk
from tinyc.compression.pruning.products import Products, added, of_node
from tinyc.compression.pruning.trace import Channels, Cut

Unit = Literal["params", "macs", "file"]
UNITS: tuple[Unit, ...] = ("params", "macs", "file")
Bill = NDArray[np.float64]

CHANNEL_BYTES = 16
"""Beside its int8 weights, an output channel of a .tflite has a bias (4), a scale (4) and a zero point (8)."""
NORMALIZED = ("gamma", "beta", "moving_mean", "moving_variance")
"""Weights of a BatchNormalization: they fold into the layer before, and into the biases that are counted there."""


@dataclass(frozen=True)
class Term:
    """A price, (units,), for each combination of one channel that stays on each axis."""

    price: Bill
    axes: tuple[Channels, ...]


@dataclass(frozen=True)
class Costs:
    """A network's costs in the order of UNITS, by the channels of its graph that stay.

    `uncounted` names the layers that may multiply in a way that no formula counts: with one, a total of MACs is none.
    """

    fixed: Bill
    terms: tuple[Term, ...]
    count: int
    uncounted: tuple[str, ...] = ()

    def total(self, keep: Keep) -> Bill:
        """Add up what is left, (units,)."""
        left = [term.price * math.prod(int(keep[axis].sum()) for axis in term.axes) for term in self.terms]
        return np.asarray(np.sum([self.fixed, *left], axis=0))

    @property
    def whole(self) -> Bill:
        """Add up all, (units,)."""
        return self.total(np.ones(self.count, dtype=bool))

    def saved(self, keep: Keep) -> Bill:
        """Say what each channel saves if it alone goes, (units, channels); for two axes of one weight, at most."""
        saved = np.zeros((len(UNITS), self.count))
        for term in self.terms:
            lengths = [int(keep[axis].sum()) for axis in term.axes]
            for place, axis in enumerate(term.axes):
                others = math.prod(lengths[:place] + lengths[place + 1 :])
                saved += np.outer(term.price * others, np.bincount(axis, minlength=self.count))
        return saved

    def saved_by(self, gone: Channels) -> Bill:
        """Say what channels save if they go together, (units,): a weight between two of them counts once."""
        keep = np.ones(self.count, dtype=bool)
        whole = self.whole
        keep[gone] = False
        return np.asarray(whole - self.total(keep))


def costs(model: Any, graph: ChannelGraph) -> Costs:
    """Read the costs off a network and its graph.

    `params` are the elements of all weights. `macs` are the products with kernels and of tensors. `file`
    estimates what the weights need in an int8 .tflite: a byte an element, and CHANNEL_BYTES for each channel that a
    kernel makes; normalization folded; operators and the file's own tables left out.
    """
    axes: dict[tuple[str, str], list[Cut]] = {}
    for cut in graph.cuts:
        axes.setdefault((cut.layer, cut.weight), []).append(cut)
    calls = {node: of_node(node) for node in walk(model) if not node.is_input}
    uncounted = dict.fromkeys(node.layer.name for node, found in calls.items() if found is None)
    known = {node: found for node, found in calls.items() if found is not None}
    times = added(*known.values()).times
    terms = [compared(found, node, graph) for node, found in known.items() if found.free]
    for layer in model.layers:
        cut_by = {id(getattr(layer, weight)): cuts for (name, weight), cuts in axes.items() if name == layer.name}
        for variable in layer.weights:
            terms += priced(layer, variable, cut_by.get(id(variable), []), times.get(id(variable), 0))
    fixed = sum((term.price for term in terms if not term.axes), np.zeros(len(UNITS)))
    return Costs(fixed, tuple(term for term in terms if term.axes), graph.count, tuple(uncounted))


def priced(layer: Any, variable: Any, cuts: list[Cut], times: int) -> Iterator[Term]:
    """Give the terms of one weight; an inference multiplies by each of its elements so many `times`."""
    size = int(np.prod(variable.shape))
    price = size / math.prod(len(cut.channels) for cut in cuts)
    kernel = is_kernel(layer, variable)
    stored = 0.0 if is_folded(layer, variable) else 1.0
    yield Term(price * np.array([1.0, times, stored]), tuple(cut.channels for cut in cuts))
    makers = [cut for cut in cuts if kernel and cut.role != "reads"]
    channels = np.array([0.0, 0.0, float(CHANNEL_BYTES)])
    if makers:
        each = int(variable.shape[-1]) if makers[0].role == "follows" else 1  # a depthwise kernel's multiplier
        yield Term(np.asarray(channels * each, np.float64), (makers[0].channels,))
    elif kernel and not cuts:
        yield Term(np.asarray(channels * int(variable.shape[-1]), np.float64), ())


def is_kernel(layer: Any, variable: Any) -> bool:
    """Say whether a weight is what a layer multiplies its inputs by."""
    kernels = ("kernel", "depthwise_kernel", "pointwise_kernel")
    return any(getattr(layer, name, None) is variable for name in kernels)


def is_folded(layer: Any, variable: Any) -> bool:
    """Say whether a weight has no place of its own in a .tflite beside the bias of its channel."""
    names = ("bias", *NORMALIZED) if type(layer).__name__ == "BatchNormalization" else ("bias",)
    return any(getattr(layer, name, None) is variable for name in names)


def compared(found: Products, node: Any, graph: ChannelGraph) -> Term:
    """Give what a call multiplies of one tensor with another: attention's by head, where heads can be cut."""
    channels = [resize.channels for resize in graph.resizes if (resize.layer, resize.key) == (node.layer.name, "heads")]
    macs = found.free / (len(channels[0]) if channels else 1)
    return Term(np.array([0.0, macs, 0.0]), tuple(channels[:1]))
