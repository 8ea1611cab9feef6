"""How many multiply-accumulates (MACs) each Keras layer does for one example: one table of layers with their formula.

What counts is what counts in a .tflite: products with kernels, and of one tensor with another, summed along an axis.
Layers are in FORMULAS or in NONE; any other may multiply, and no figure is given for a network that has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinyc.compression.pruning.graph import flat, shape

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Products:
    """What one call of a layer multiplies.

    Attributes:
        times: how often it multiplies by each element of a weight, by the id of the variable.
        free: what it multiplies besides, of one tensor with another.
    """

    times: Mapping[int, int] = field(default_factory=dict)
    free: int = 0


class Unknown(Exception):
    """A layer, or a use of it, whose multiplications no formula counts."""


Formula = Callable[[Any, Sequence[Shape], Shape], Products]


def products(layer: Any, given: Sequence[Shape], made: Shape) -> Products | None:
    """Count what one call of a layer multiplies; None where no formula is known, or a size is not fixed.

    Args:
        layer: a layer of Keras, of `tinyc.network.blocks` or of `tinyc.network.arithmetic`.
        given: the shapes of its inputs, with the batch.
        made: the shape of its output.
    """
    try:
        return of(layer, given, made)
    except Unknown:
        return None


def of(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """Apply the layer's formula.

    Raises:
        Unknown: there is none.
    """
    kind = type(layer)
    home = kind.__module__.partition(".")[0]
    if home != "tf_keras" and kind.__module__ not in ("tinyc.network.blocks", "tinyc.network.arithmetic"):
        raise Unknown
    if kind.__name__ in ("TFOpLambda", "SlicingOpLambda"):
        if layer.get_config()["function"] in HARMLESS:
            return Products()
        raise Unknown
    if kind.__name__ in NONE:
        return Products()
    if kind.__name__ not in FORMULAS:
        raise Unknown
    return FORMULAS[kind.__name__](layer, given, made)


def size(*lengths: int | None) -> int:
    """Multiply lengths of axes, all of which must be fixed."""
    if any(length is None for length in lengths):
        raise Unknown
    return math.prod(length for length in lengths if length is not None)


def places(layer: Any, shape: Shape) -> int:
    """Count the positions of a tensor, all axes but batch and channels."""
    if getattr(layer, "data_format", None) == "channels_first":
        raise Unknown
    return size(*shape[1:-1])


def each(times: int, *weights: Any) -> Products:
    return Products({id(weight): times for weight in weights if weight is not None})


def gathered(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """Dense and convolutions: the kernels, once for each position of the output."""
    names = ("kernel", "depthwise_kernel", "pointwise_kernel")
    return each(places(layer, made), *(getattr(layer, name, None) for name in names))


def spread(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """Transposed convolutions: the kernel, once for each position of the input."""
    return each(places(layer, given[0]), layer.kernel)


def once(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """Locally connected layers: each element of the kernel has one place of its own."""
    places(layer, made)
    return each(1, layer.kernel)


def einsum(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """EinsumDense: each element of the kernel, for each place of the output along axes that the kernel has not."""
    read, kernel, written = layer.equation.replace("->", ",").split(",")
    if set(read) - set(kernel) - set(written):
        raise Unknown
    own = math.prod(length for label, length in zip(kernel, layer.kernel.shape, strict=True) if label in written)
    return each(size(*made[1:]) // own, layer.kernel)


def recurrent(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """LSTM, GRU, SimpleRNN, and RNN of their cells: kernel and recurrent kernel, once a step."""
    steps = size(given[0][0 if getattr(layer, "time_major", False) else 1])
    cells = getattr(layer.cell, "cells", [layer.cell])
    if any(type(cell).__name__ not in CELLS or not type(cell).__module__.startswith("tf_keras.") for cell in cells):
        raise Unknown
    return each(steps, *(kernel for cell in cells for kernel in (cell.kernel, cell.recurrent_kernel)))


def convolutional_recurrent(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """ConvLSTM1D to 3D: both kernels, once for each step and position of the output."""
    positions = made[1:] if layer.return_sequences else (given[0][1], *made[1:])
    return each(places(layer, (None, *positions)), layer.cell.kernel, layer.cell.recurrent_kernel)


def both_ways(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """Bidirectional: what its two layers do."""
    return added(*(of(one, given, inner_shape(one, given[0])) for one in (layer.forward_layer, layer.backward_layer)))


def at_each_step(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """TimeDistributed: what its layer does, once a step."""
    inner = (given[0][0], *given[0][2:])
    found, steps = of(layer.layer, [inner], inner_shape(layer.layer, inner)), size(given[0][1])
    return Products({key: count * steps for key, count in found.times.items()}, found.free * steps)


def inner_shape(layer: Any, given: Shape) -> Shape:
    return tuple(layer.compute_output_shape(given))


def added(*found: Products) -> Products:
    """Add what several calls multiply."""
    times: dict[int, int] = {}
    for one in found:
        for key, count in one.times.items():
            times[key] = times.get(key, 0) + count
    return Products(times, sum(one.free for one in found))


def compared(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """Attention: [query, value, key] are compared place by place, and the values mixed by the outcome."""
    query, value, *_ = given
    mixed = size(query[1], value[1], value[2])
    scored = size(query[1], value[1], query[2]) if type(layer).__name__ == "Attention" else 0
    return Products(free=scored + mixed)


def blocks_compared(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """Return the Attention of tinyc.network.blocks: [query, key, value]; as many products in one head as in several."""
    query, key, value, *_ = given
    return Products(free=size(query[1], key[1], query[2]) + size(query[1], key[1], value[2]))


def pooled(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """TokenPool: under a mask the mean is a product with it."""
    return Products(free=size(given[0][1], made[1]) if layer.how == "mean" and len(given) > 1 else 0)


def multiplied(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """MatMul: each element of the output sums along the last axis of the first matrix, or the one before it."""
    return Products(free=size(*made[1:], given[0][-2 if layer.transpose_a else -1]))


def heads(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """MultiHeadAttention over one axis: projections of each token, and each head's products as in attention."""
    config = layer.get_config()
    query, value = given[0], given[1] if len(given) > 1 else given[0]
    if len(query) != 3 or len(value) != 3 or config["attention_axes"] not in (None, (1,), [1]):
        raise Unknown
    tokens = {"query": query[1], "attention_output": query[1], "key": value[1], "value": value[1]}
    kernels = {
        id(weight): size(tokens.get(weight.name.split("/")[-2]))
        for weight in layer.weights
        if weight.name.split("/")[-1].startswith("kernel")
    }
    width = config["key_dim"] + (config["value_dim"] or config["key_dim"])
    return Products(kernels, size(query[1], value[1]) * config["num_heads"] * width)


def dot(layer: Any, given: Sequence[Shape], made: Shape) -> Products:
    """Dot: each element of the output sums along the axis that is given."""
    axis = layer.axes[0] if isinstance(layer.axes, list | tuple) else layer.axes
    return Products(free=size(*made[1:], given[0][axis]))


CELLS = frozenset({"LSTMCell", "GRUCell", "SimpleRNNCell"})
GATHERED = (
    "Dense", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D",
)  # fmt: skip
FORMULAS: Mapping[str, Formula] = {
    **dict.fromkeys(GATHERED, gathered),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), spread),
    **dict.fromkeys(("LocallyConnected1D", "LocallyConnected2D"), once),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN"), recurrent),
    **dict.fromkeys(("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), convolutional_recurrent),
    "EinsumDense": einsum,
    "Bidirectional": both_ways,
    "TimeDistributed": at_each_step,
    "AdditiveAttention": compared,
    "Attention": lambda layer, given, made: (
        blocks_compared if type(layer).__module__ == "tinyc.network.blocks" else compared
    )(layer, given, made),
    "MultiHeadAttention": heads,
    "Dot": dot,
    "TokenPool": pooled,
    "MatMul": multiplied,
}
NONE = frozenset({
    # Element by element, and noise that inference leaves out.
    "InputLayer", "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "Softmax", "Dropout",
    "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout", "GaussianNoise",
    "ActivityRegularization", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Rescaling",
    # Norms, pools, interpolation.
    "BatchNormalization", "SyncBatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization",
    "Normalization", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D",
    "AveragePooling3D", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "UpSampling1D", "UpSampling2D", "UpSampling3D",
    "Resizing",
    # What moves or looks up numbers.
    "Concatenate", "Flatten", "Reshape", "Permute", "RepeatVector", "Masking", "Identity", "ZeroPadding1D",
    "ZeroPadding2D", "ZeroPadding3D", "Cropping1D", "Cropping2D", "Cropping3D", "CenterCrop", "Embedding",
    # Of tinyc.network.blocks.
    "TokenEmbedding", "PositionEmbedding", "PaddingMask", "LayerNorm", "Gelu",
    # Of tinyc.network.arithmetic.
    "WithConstant", "Elementwise", "HardSwish", "Slice", "Rearrangement", "Reduction",
})  # fmt: skip
# Functions that a network of operators calls, and that multiply nothing but element by element.
HARMLESS = frozenset({
    "__operators__.add", "__operators__.eq", "__operators__.getitem", "__operators__.ne", "abs", "cast",
    "clip_by_value",
    "compat.v1.gather", "compat.v1.shape", "compat.v1.transpose", "concat", "equal", "exp", "expand_dims", "gather",
    "identity", "linalg.l2_normalize", "math.abs", "math.add", "math.divide", "math.equal", "math.exp", "math.greater",
    "math.less", "math.log", "math.maximum", "math.minimum", "math.multiply", "math.negative", "math.not_equal",
    "math.pow", "math.reduce_max", "math.reduce_mean", "math.reduce_min", "math.reduce_sum", "math.rsqrt",
    "math.sigmoid", "math.softplus", "math.sqrt", "math.square", "math.squared_difference", "math.subtract",
    "math.tanh", "math.truediv", "maximum", "minimum", "nn.avg_pool", "nn.avg_pool2d", "nn.elu", "nn.gelu",
    "nn.leaky_relu", "nn.max_pool", "nn.max_pool2d", "nn.relu", "nn.relu6", "nn.selu", "nn.sigmoid", "nn.silu",
    "nn.softmax", "nn.swish", "nn.tanh", "pad", "repeat", "reshape", "reverse", "slice", "split", "squeeze", "stack",
    "stop_gradient", "strided_slice", "tile", "transpose", "unstack", "where", "zeros_like", "ones_like",
})  # fmt: skip


def of_node(node: Any) -> Products | None:
    """Count what one call in a network multiplies; None where no formula is known."""
    return products(node.layer, [shape(tensor) for tensor in node.keras_inputs], shape(flat(node.outputs)[0]))
