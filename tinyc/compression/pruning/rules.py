"""How each type of layer treats channels: one row of `RULES` a type, read by the walk in `graph`.

A rule notes the axes of its weights that shrink with channels, and returns the channels of its output.
It raises Uncuttable, before it notes anything, where it cannot vouch for the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinyc.compression.pruning.trace import Channels, Node, Trace, Uncuttable
from tinyc.network import backend

Rule = Callable[[Trace, Node], Channels]
ELEMENTWISE = (
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "swish", "silu", "mish", "tanh", "sigmoid",
    "hard_sigmoid", "softplus", "softsign", "exponential",
)  # fmt: skip


def elementwise(layer: Any) -> bool:
    """Say whether the layer's activation treats each channel by itself (softmax does not)."""
    activations = backend.keras().activations
    activation = getattr(layer, "activation", None)
    known = [getattr(activations, name) for name in ELEMENTWISE if hasattr(activations, name)]
    return activation is None or activation in [*known, backend.tensorflow().nn.relu6]


def activated(trace: Trace, node: Node, channels: Channels) -> Channels:
    """Keep the output of a layer whole where its activation mixes channels."""
    if not elementwise(node.layer):
        name = getattr(node.layer.activation, "__name__", repr(node.layer.activation))
        trace.protect(channels, node.layer.name, f"its activation {name!r} may mix channels")
    return channels


def network_input(trace: Trace, node: Node) -> Channels:
    """Leave the input alone; inputs are never cut."""
    width = node.output_shape[-1] if node.output_shape else None
    if width is None:
        raise Uncuttable("its last axis has no fixed size")
    channels = trace.fresh(node.layer.name, width)
    trace.protect(channels, node.layer.name, "it is the network's input")
    return channels


def convolution(trace: Trace, node: Node) -> Channels:
    """Conv1D, Conv2D, Conv3D: kernel (..., inputs / groups, filters)."""
    layer = node.layer
    made = trace.fresh(layer.name, layer.filters)
    if layer.groups == 1:
        trace.cut(layer, "kernel", -2, node.inputs[0], "reads")
    else:
        in_groups(trace, node, made)
    trace.cut(layer, "kernel", -1, made, "makes")
    return produce(trace, node, "filters", made)


def in_groups(trace: Trace, node: Node, made: Channels) -> None:
    """Tie the channels of a convolution in groups so that its groups stay alike, in the way that leaves more choice.

    Many narrow groups, as in ResNeXt: each goes or stays whole, inputs and filters. Few wide ones: the same places
    go in every group, inputs and filters each by themselves.
    """
    layer = node.layer
    inputs, filters = node.inputs[0].reshape(layer.groups, -1), made.reshape(layer.groups, -1)
    if layer.groups >= max(inputs.shape[1], filters.shape[1]):
        for read, written in zip(inputs, filters, strict=True):
            for channels in (read, written[1:]):
                trace.unite(np.repeat(written[0], len(channels)), channels)
        trace.resize(layer, "groups", filters[:, 0])
        return
    for rows_of in (inputs, filters):
        for others in rows_of[1:]:
            trace.unite(rows_of[0], others)
    trace.cut(layer, "kernel", -2, inputs[0], "reads")


def transposed(trace: Trace, node: Node) -> Channels:
    """Conv1DTranspose, Conv2DTranspose: kernel (..., filters, inputs)."""
    made = trace.fresh(node.layer.name, node.layer.filters)
    trace.cut(node.layer, "kernel", -1, node.inputs[0], "reads")
    trace.cut(node.layer, "kernel", -2, made, "makes")
    return produce(trace, node, "filters", made)


def dense(trace: Trace, node: Node) -> Channels:
    """Dense: kernel (inputs, units)."""
    made = trace.fresh(node.layer.name, node.layer.units)
    trace.cut(node.layer, "kernel", 0, node.inputs[0], "reads")
    trace.cut(node.layer, "kernel", 1, made, "makes")
    return produce(trace, node, "units", made)


def separable(trace: Trace, node: Node) -> Channels:
    """SeparableConv1D, SeparableConv2D: a depthwise kernel as below, then one (..., inputs * multiplier, filters)."""
    layer = node.layer
    made = trace.fresh(layer.name, layer.filters)
    trace.cut(layer, "depthwise_kernel", -2, node.inputs[0], "reads")
    trace.cut(layer, "pointwise_kernel", -2, np.repeat(node.inputs[0], layer.depth_multiplier), "reads")
    trace.cut(layer, "pointwise_kernel", -1, made, "makes")
    return produce(trace, node, "filters", made)


def produce(trace: Trace, node: Node, key: str, made: Channels) -> Channels:
    """Note the bias and the config key of a layer that makes channels."""
    trace.cut(node.layer, "bias", 0, made, "makes")
    trace.resize(node.layer, key, made)
    return activated(trace, node, made)


def depthwise(trace: Trace, node: Node) -> Channels:
    """DepthwiseConv1D, DepthwiseConv2D: kernel (..., inputs, multiplier); input c gives output c * multiplier + m."""
    channels = np.repeat(node.inputs[0], node.layer.depth_multiplier)
    trace.cut(node.layer, "depthwise_kernel", -2, node.inputs[0], "follows")
    trace.cut(node.layer, "bias", 0, channels, "follows")
    return activated(trace, node, channels)


def normalization(trace: Trace, node: Node) -> Channels:
    """BatchNormalization over the last axis; channels that come straight from a layer are noted as scaled by gamma."""
    layer = node.layer
    rank = len(node.shapes[0])
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    if [axis % rank for axis in axes] != [rank - 1]:
        raise Uncuttable(f"it normalizes axis {list(axes)}, not the last")
    if layer.renorm:
        raise Uncuttable("it uses renorm")
    for weight in ("gamma", "beta", "moving_mean", "moving_variance"):
        trace.cut(layer, weight, 0, node.inputs[0], "follows")
    if layer.scale:
        trace.normalized.update(node.sources)
    return node.inputs[0]


def follow(trace: Trace, node: Node) -> Channels:
    """Layers that keep channels apart and have no weights: activations, pooling, padding, dropout, upsampling."""
    return activated(trace, node, node.inputs[0])


def parametric_relu(trace: Trace, node: Node) -> Channels:
    """PReLU: slopes (..., channels), or one for all where the last axis is shared."""
    if node.layer.alpha.shape[-1] == len(node.inputs[0]):
        trace.cut(node.layer, "alpha", -1, node.inputs[0], "follows")
    return node.inputs[0]


def couple(trace: Trace, node: Node) -> Channels:
    """Add, Multiply and the like: channel i of every input is one; an input of width one is spread over all."""
    if len({len(shape) for shape in node.shapes}) > 1:
        raise Uncuttable("its inputs differ in rank")
    width = max(len(channels) for channels in node.inputs)
    full = [channels for channels in node.inputs if len(channels) == width]
    spread = [channels for channels in node.inputs if len(channels) != width]
    if any(len(channels) != 1 for channels in spread):
        raise Uncuttable("its inputs differ in channels")
    for channels in spread:
        trace.protect(channels, node.layer.name, "it spreads one channel over many")
    for channels in full[1:]:
        trace.unite(full[0], channels)
    return full[0]


def concatenate(trace: Trace, node: Node) -> Channels:
    """Concatenate along the last axis; along any other one the inputs share their channels."""
    if node.layer.axis in (-1, len(node.shapes[0]) - 1):
        return np.concatenate(node.inputs)
    return couple(trace, node)


def regroup(trace: Trace, node: Node) -> Channels:
    """Flatten, Reshape: follow each element; elements that share the new last index stand or fall together.

    Elements keep their order, so that removing whole channels before equals removing whole last indices after.
    """
    before, after = node.shapes[0][1:], node.output_shape[1:]
    if None in before or None in after:
        raise Uncuttable("it reshapes axes without a fixed size")
    elements = np.broadcast_to(node.inputs[0], before).reshape(-1, after[-1])  # type: ignore[arg-type]
    differs = elements != elements[0]
    trace.unite(elements[0][np.nonzero(differs)[1]], elements[differs])
    if getattr(node.layer, "target_shape", (-1,))[-1] != -1:
        trace.resize(node.layer, "target_shape", elements[0])
    return np.array(elements[0])


def rescaling(trace: Trace, node: Node) -> Channels:
    """Rescaling: one scale and one offset for all channels."""
    if np.ndim(node.layer.scale) or np.ndim(node.layer.offset):
        raise Uncuttable("it has a scale or an offset for each channel")
    return node.inputs[0]


def permute(trace: Trace, node: Node) -> Channels:
    """Permute: the channels must stay last."""
    if node.layer.dims[-1] != len(node.layer.dims):
        raise Uncuttable("it moves the channel axis")
    return node.inputs[0]


def rows(rule: Rule, *types: str) -> dict[str, Rule]:
    return dict.fromkeys(types, rule)


RULES: Mapping[str, Rule] = {
    **rows(network_input, "InputLayer"),
    **rows(convolution, "Conv1D", "Conv2D", "Conv3D"),
    **rows(transposed, "Conv1DTranspose", "Conv2DTranspose"),
    **rows(separable, "SeparableConv1D", "SeparableConv2D"),
    **rows(depthwise, "DepthwiseConv1D", "DepthwiseConv2D"),
    **rows(dense, "Dense"),
    **rows(normalization, "BatchNormalization"),
    **rows(parametric_relu, "PReLU"),
    **rows(follow, "Activation", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"),
    **rows(follow, "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "GaussianNoise"),
    **rows(follow, "AlphaDropout", "ActivityRegularization"),
    **rows(follow, "MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"),
    **rows(follow, "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
    **rows(follow, "ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D", "UpSampling1D", "UpSampling2D"),
    **rows(couple, "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"),
    **rows(concatenate, "Concatenate"),
    **rows(regroup, "Flatten", "Reshape"),
    **rows(rescaling, "Rescaling"),
    **rows(permute, "Permute"),
}
