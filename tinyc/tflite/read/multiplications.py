"""How many multiply-accumulates (MACs) an operator does when it runs once: one table of operators with their formula.

A MAC multiplies by a weight, or one tensor by another, and adds up along an axis: convolutions, matrix products,
recurrences. What works element by element (MUL, a scale, a window, a peephole of an LSTM), pools, normalizes, resizes,
looks up or moves numbers does none. Every position of a kernel counts, also where it lies over padding.

Each builtin operator is in one table: FORMULAS, NONE, UNCOUNTED, or `graphs.CALLERS`, whose operators run other graphs.
An operator that is in none of them is somebody's own and may multiply: its count is None, as that of the uncounted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Shapes:
    """The shapes that one operator sees: None for an absent input; `left_transposed` is BATCH_MATMUL's adj_x."""

    inputs: tuple[Shape | None, ...]
    output: Shape
    left_transposed: bool = False


Formula = Callable[[Shapes], int | None]


def convolution(seen: Shapes) -> int | None:
    """CONV_2D: a filter (out, height, width, in / groups) for each element of the output."""
    match seen.inputs:
        case [_, (_, height, width, channels), *_]:
            return math.prod(seen.output) * height * width * channels
    return None


def depthwise(seen: Shapes) -> int | None:
    """DEPTHWISE_CONV_2D: a filter (1, height, width, out) of one input channel."""
    match seen.inputs:
        case [_, (_, height, width, _), *_]:
            return math.prod(seen.output) * height * width
    return None


def transposed(seen: Shapes) -> int | None:
    """TRANSPOSE_CONV: a filter (out, height, width, in) spreads each element of the input, the third operand."""
    match seen.inputs:
        case [_, (channels, height, width, _), (*_,) as read, *_]:
            return math.prod(read) * channels * height * width
    return None


def volume(seen: Shapes) -> int | None:
    """CONV_3D: a filter (depth, height, width, in, out) for each element of the output."""
    match seen.inputs:
        case [_, (depth, height, width, channels, _), *_]:
            return math.prod(seen.output) * depth * height * width * channels
    return None


def transposed_volume(seen: Shapes) -> int | None:
    """CONV_3D_TRANSPOSE: a filter (depth, height, width, out, in) spreads each element of the input, the third."""
    match seen.inputs:
        case [_, (depth, height, width, channels, _), (*_,) as read, *_]:
            return math.prod(read) * depth * height * width * channels
    return None


def dense(seen: Shapes) -> int | None:
    """FULLY_CONNECTED: weights (out, in)."""
    match seen.inputs:
        case [_, (_, features), *_]:
            return math.prod(seen.output) * features
    return None


def product(seen: Shapes) -> int | None:
    """BATCH_MATMUL: the left operand's columns are summed over, or its rows where it is transposed."""
    match seen.inputs:
        case [(*_, rows, columns), *_]:
            return math.prod(seen.output) * (rows if seen.left_transposed else columns)
    return None


def recurrent(*slots: int) -> Formula:
    """Multiply by each element of the matrices in these inputs once for each example and step of the first input."""

    def formula(seen: Shapes) -> int | None:
        matrices = [seen.inputs[slot] for slot in slots if slot < len(seen.inputs)]
        present = [matrix for matrix in matrices if matrix is not None]
        if not seen.inputs or not seen.inputs[0] or not present or any(len(matrix) != 2 for matrix in present):
            return None
        return math.prod(seen.inputs[0][:-1]) * sum(map(math.prod, present))

    return formula


# Input to gates, recurrent to gates, projection.
GATES = (*range(1, 9), 16)


def cell(seen: Shapes) -> int | None:
    """LSTM: the full kernel has a matrix a gate, the basic one, of five inputs, all gates in one."""
    return recurrent(2)(seen) if len(seen.inputs) == 5 else recurrent(*GATES)(seen)


FORMULAS: Mapping[str, Formula] = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "TRANSPOSE_CONV": transposed,
    "CONV_3D": volume,
    "CONV_3D_TRANSPOSE": transposed_volume,
    "FULLY_CONNECTED": dense,
    "BATCH_MATMUL": product,
    "SVDF": recurrent(1, 2),  # over the features, and over what is remembered of them
    "RNN": recurrent(1, 2),
    "UNIDIRECTIONAL_SEQUENCE_RNN": recurrent(1, 2),
    "BIDIRECTIONAL_SEQUENCE_RNN": recurrent(1, 2, 5, 6, 10, 11),
    "LSTM": cell,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent(*GATES),
    "BIDIRECTIONAL_SEQUENCE_LSTM": recurrent(*GATES, *range(18, 26), 33, *range(40, 48)),
}
NONE = frozenset({
    # Element by element.
    "ADD", "ADD_N", "SUB", "MUL", "DIV", "FLOOR_DIV", "FLOOR_MOD", "POW", "SQUARE", "SQUARED_DIFFERENCE", "MAXIMUM",
    "MINIMUM", "ABS", "NEG", "SIGN", "CEIL", "FLOOR", "ROUND", "EXP", "LOG", "SQRT", "RSQRT", "SIN", "COS", "ATAN2",
    "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "LEAKY_RELU", "PRELU", "ELU", "GELU", "HARD_SWISH", "LOGISTIC",
    "TANH", "CAST", "BITCAST", "BITWISE_XOR", "RIGHT_SHIFT", "QUANTIZE", "DEQUANTIZE", "FAKE_QUANT", "EQUAL",
    "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT",
    "SELECT", "SELECT_V2", "REAL", "IMAG", "COMPLEX_ABS", "BUCKETIZE",
    # Pools, sums, norms, interpolation.
    "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD",
    "REDUCE_ANY", "REDUCE_ALL", "REDUCE_WINDOW", "CUMSUM", "SEGMENT_SUM", "UNSORTED_SEGMENT_SUM",
    "UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_MIN", "SOFTMAX", "LOG_SOFTMAX",
    "L2_NORMALIZATION", "LOCAL_RESPONSE_NORMALIZATION", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR",
    # What moves, looks up, makes or sorts numbers.
    "CONCATENATION", "PACK", "UNPACK", "SPLIT", "SPLIT_V", "SLICE", "STRIDED_SLICE", "DYNAMIC_UPDATE_SLICE", "RESHAPE",
    "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "TILE", "BROADCAST_TO", "BROADCAST_ARGS", "PAD", "PADV2", "MIRROR_PAD",
    "DILATE", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "REVERSE_V2",
    "REVERSE_SEQUENCE", "GATHER", "GATHER_ND", "SCATTER_ND", "EMBEDDING_LOOKUP", "CONCAT_EMBEDDINGS",
    "HASHTABLE_LOOKUP", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE", "SKIP_GRAM", "DENSIFY",
    "SPARSE_TO_DENSE", "MATRIX_DIAG", "MATRIX_SET_DIAG", "FILL", "ZEROS_LIKE", "RANGE", "SHAPE", "RANK", "ONE_HOT",
    "WHERE", "UNIQUE", "ARG_MAX", "ARG_MIN", "TOPK_V2", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5",
    "RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE",
    # The same of StableHLO; what combines elements pairwise does so in a graph of its own.
    "STABLEHLO_ADD", "STABLEHLO_SUBTRACT", "STABLEHLO_MULTIPLY", "STABLEHLO_DIVIDE", "STABLEHLO_REMAINDER",
    "STABLEHLO_POWER", "STABLEHLO_MAXIMUM", "STABLEHLO_MINIMUM", "STABLEHLO_ABS", "STABLEHLO_NEGATE",
    "STABLEHLO_FLOOR", "STABLEHLO_EXPONENTIAL", "STABLEHLO_LOG", "STABLEHLO_CBRT", "STABLEHLO_RSQRT",
    "STABLEHLO_COSINE", "STABLEHLO_TANH", "STABLEHLO_LOGISTIC", "STABLEHLO_AND", "STABLEHLO_OR",
    "STABLEHLO_SHIFT_LEFT", "STABLEHLO_CLAMP", "STABLEHLO_COMPARE", "STABLEHLO_SELECT", "STABLEHLO_CONVERT",
    "STABLEHLO_RESHAPE", "STABLEHLO_TRANSPOSE", "STABLEHLO_CONCATENATE", "STABLEHLO_BROADCAST_IN_DIM",
    "STABLEHLO_SLICE", "STABLEHLO_DYNAMIC_SLICE", "STABLEHLO_DYNAMIC_UPDATE_SLICE", "STABLEHLO_PAD",
    "STABLEHLO_IOTA", "STABLEHLO_GATHER", "STABLEHLO_RNG_BIT_GENERATOR",
    # TensorFlow Lite Micro's own: tables, a delay line, boxes, and what its signal library does element by element.
    "TFLM_DECODE", "CIRCULAR_BUFFER", "TFLite_Detection_PostProcess", "SignalDelay", "SignalEnergy",
    "SignalFftAutoScale", "SignalFilterBankLog", "SignalFilterBankSpectralSubtraction", "SignalFilterBankSquareRoot",
    "SignalFramer", "SignalOverlapAdd", "SignalPCAN", "SignalStacker", "SignalWindow",
})  # fmt: skip
# Builtin operators that may multiply, and have no formula: transforms, projections, sums by weight, the unknown inside.
UNCOUNTED = frozenset({
    "RFFT2D", "LSH_PROJECTION", "EMBEDDING_LOOKUP_SPARSE", "DELEGATE", "CUSTOM", "PLACEHOLDER_FOR_GREATER_OP_CODES",
    "STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL", "STABLEHLO_CUSTOM_CALL",
})  # fmt: skip


def multiplications(op: str, shapes: Shapes) -> int | None:
    """Count the MACs of one operator that runs once; None where no formula is known, or a shape is left open."""
    if op in NONE:
        return 0
    if op not in FORMULAS or is_open((*shapes.inputs, shapes.output)):
        return None
    return FORMULAS[op](shapes)


def is_open(shapes: Sequence[Shape | None]) -> bool:
    """Say whether a dimension is left open until the network runs, -1 in a file."""
    return any(size < 0 for shape in shapes if shape is not None for size in shape)
