"""How operators treat channels: the rows beside those of `rules`, for the layers of `tinyc.network.arithmetic`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinyc.compression.pruning.rules import Rule, follow
from tinyc.compression.pruning.trace import Channels, Node, Trace, Uncuttable


def with_constant(trace: Trace, node: Node) -> Channels:
    """WithConstant: one number for all channels, or one for each, which goes with its channel."""
    constant, channels = np.asarray(node.layer.constant), node.inputs[0]
    width = constant.shape[-1] if constant.ndim else 1
    if width not in (1, len(channels)):
        raise Uncuttable("it spreads one channel over many")
    if width > 1:
        trace.resize(node.layer, "constant", channels, values=True)
    return channels


def part(trace: Trace, node: Node) -> Channels:
    """Slice: of channels an equal part, such as the second half; then the same places go in every part."""
    layer, channels = node.layer, node.inputs[0]
    begin, end, stride = layer.begin[-1], layer.end[-1], layer.stride[-1]
    width = end - begin
    whole = width == len(channels)
    if stride != 1 or (not whole and (width < 2 or len(channels) % width or begin % width)):
        raise Uncuttable(f"it takes channels {begin} to {end} of {len(channels)}, which are not an equal part")
    parts = channels.reshape(-1, width)
    for other in parts[1:]:
        trace.unite(parts[0], other)
    trace.resize(layer, "begin", channels[:begin])
    trace.resize(layer, "end", channels[:end])
    return np.array(channels[begin:end])


def rearranged(trace: Trace, node: Node) -> Channels:
    """Rearrangement: what moves height and width alone keeps channels; blocks of places are channels side by side."""
    function, arguments, channels = node.layer.function, node.layer.arguments, node.inputs[0]
    if function == "space_to_depth":
        return np.tile(channels, arguments["block_size"] ** 2)
    if function == "depth_to_space":
        together = channels.reshape(arguments["block_size"] ** 2, -1)
        for other in together[1:]:
            trace.unite(together[0], other)
        return np.array(together[0])
    last = len(node.shapes[0]) - 1
    if (function == "pad" and any(arguments["paddings"][last])) or (function == "gather" and arguments["axis"] == last):
        raise Uncuttable("it moves channels")
    if function == "gather" and np.ndim(arguments["indices"]) != 1:
        raise Uncuttable("it adds or takes axes")
    return channels


def reduced(trace: Trace, node: Node) -> Channels:
    """Reduction: over anything but the channels."""
    if len(node.shapes[0]) - 1 in node.layer.axes:
        raise Uncuttable("it computes one number of all channels")
    return node.inputs[0]


ARITHMETIC: Mapping[str, Rule] = {
    "WithConstant": with_constant,
    "Elementwise": follow,
    "HardSwish": follow,
    "Slice": part,
    "Rearrangement": rearranged,
    "Reduction": reduced,
}
