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

from tinyc.pruning.graph import ChannelGraph, Keep, flat, shape, walk
from tinyc.pruning.trace import Channels, Cut

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
    """A network's costs in the order of UNITS, by the channels of its graph that stay."""

    fixed: Bill
    terms: tuple[Term, ...]
    count: int

    def total(self, keep: Keep) -> Bill:
        """Add up what is left, (units,)."""
        left = [term.price * math.prod(int(keep[axis].sum()) for axis in term.axes) for term in self.terms]
        return np.asarray(np.sum([self.fixed, *left], axis=0))

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
        whole = self.total(keep)
        keep[gone] = False
        return np.asarray(whole - self.total(keep))


def costs(model: Any, graph: ChannelGraph) -> Costs:
    """Read the costs off a network and its graph.

    `params` are the elements of all weights. `macs` are the multiplications of kernels and of attention. `file`
    estimates what the weights need in an int8 .tflite: a byte an element, and CHANNEL_BYTES for each channel that a
    kernel makes; normalization folded; operators and the file's own tables left out.
    """
    axes: dict[tuple[str, str], list[Cut]] = {}
    for cut in graph.cuts:
        axes.setdefault((cut.layer, cut.weight), []).append(cut)
    positions = uses(model)
    fixed = np.zeros(len(UNITS))
    terms: list[Term] = []
    for layer in model.layers:
        known = {id(getattr(layer, weight)): cuts for (name, weight), cuts in axes.items() if name == layer.name}
        for variable in layer.weights:
            cuts = known.get(id(variable), [])
            own = list(priced(layer, variable, cuts, positions.get(layer.name, 0)))
            fixed += sum((term.price for term in own if not term.axes), np.zeros(len(UNITS)))
            terms += [term for term in own if term.axes]
    return Costs(fixed, (*terms, *compared(model, graph)), graph.count)


def priced(layer: Any, variable: Any, cuts: list[Cut], positions: int) -> Iterator[Term]:
    """Give the terms of one weight."""
    size = int(np.prod(variable.shape))
    price = size / math.prod(len(cut.channels) for cut in cuts)
    kernel = is_kernel(layer, variable)
    stored = 0.0 if is_folded(layer, variable) else 1.0
    yield Term(price * np.array([1.0, positions * kernel, stored]), tuple(cut.channels for cut in cuts))
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


def uses(model: Any) -> dict[str, int]:
    """Count how often an inference multiplies by each element of a layer's kernels."""
    counted: dict[str, int] = {}
    for node in walk(model):
        if node.is_input or not node.layer.weights:
            continue
        # A transposed convolution spreads each input position; the others gather for each output position.
        spreads = "Transpose" in type(node.layer).__name__
        seen = shape(node.keras_inputs[0] if spreads else flat(node.outputs)[0])
        positions = math.prod(size or 1 for size in seen[1:-1])
        counted[node.layer.name] = counted.get(node.layer.name, 0) + positions
    return counted


def compared(model: Any, graph: ChannelGraph) -> Iterator[Term]:
    """Give what attention multiplies by head: queries with keys, and their weights with values."""
    heads = {resize.layer: resize.channels for resize in graph.resizes if resize.key == "heads"}
    for node in walk(model):
        if node.layer.name in heads:
            query, key, value = (shape(tensor) for tensor in node.keras_inputs[:3])
            macs = (query[1] or 1) * (key[1] or 1) * ((query[2] or 1) + (value[2] or 1)) / node.layer.heads
            yield Term(np.array([0.0, macs, 0.0]), (heads[node.layer.name],))
