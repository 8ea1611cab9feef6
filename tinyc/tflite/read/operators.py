"""What each operator's inputs mean: which slots hold weights, biases, slopes or tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinyc.tflite.read.description import Description

Shape = tuple[int, ...]

# Input slots that hold weights, biases, slopes or tables, by operator.
WEIGHT_SLOTS: dict[str, tuple[int, ...]] = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
    "CONV_3D": (1, 2),
    "CONV_3D_TRANSPOSE": (1, 3),
    "BATCH_MATMUL": (0, 1),
    "PRELU": (1,),
    "SVDF": (1, 2, 3),
    "RNN": (1, 2, 3),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (1, 2, 3),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (*range(1, 18), *range(20, 24)),
    "LSTM": (*range(1, 18), *range(20, 24)),
    "BIDIRECTIONAL_SEQUENCE_RNN": (1, 2, 3, 5, 6, 7, 10, 11),
    "BIDIRECTIONAL_SEQUENCE_LSTM": (*range(1, 35), *range(40, 48)),
    "STABLEHLO_CONVOLUTION": (1,),
    "STABLEHLO_DOT_GENERAL": (0, 1),
}
# Tables whose rows are looked up; a table of one column (a padding mask over the vocabulary) is not an embedding.
TABLE_SLOTS: dict[str, tuple[int, ...]] = {"GATHER": (0,), "EMBEDDING_LOOKUP": (1,)}
# Scales and shifts; a single number (an epsilon, 1.702) is part of the formula, not a parameter.
OPERAND_SLOTS: dict[str, tuple[int, ...]] = dict.fromkeys(("ADD", "SUB", "MUL", "DIV"), (0, 1))
OPERAND_TYPES = frozenset({"float32", "float16", "int8", "uint8", "int16"})
# Operators that only decode a constant: a weight behind one of them is still a weight.
DECODERS = frozenset({"DEQUANTIZE", "DENSIFY", "TFLM_DECODE"})
# The one that TFLM alone knows: it looks weights up in tables.
TABLE_DECODER = "TFLM_DECODE"
# Custom operators that TFLM brings along; all others are a user's own.
TFLM_CUSTOM = frozenset({
    TABLE_DECODER, "CIRCULAR_BUFFER", "TFLite_Detection_PostProcess", "SignalDelay", "SignalEnergy",
    "SignalFftAutoScale", "SignalFilterBank", "SignalFilterBankLog", "SignalFilterBankSpectralSubtraction",
    "SignalFilterBankSquareRoot", "SignalFramer", "SignalIrfft", "SignalOverlapAdd", "SignalPCAN", "SignalRfft",
    "SignalStacker", "SignalWindow",
})  # fmt: skip
# Operators that take any number of examples at once, or refuse in good order. Others may hold the batch of 1 in a
# constant: TRANSPOSE_CONV then reads one example alone, or crashes.
BATCHABLE = frozenset({
    "ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "ABS", "NEG", "EXP", "LOG", "SQRT",
    "RSQRT", "SQUARE", "QUANTIZE", "DEQUANTIZE", "CAST", "RELU", "RELU6", "LEAKY_RELU", "PRELU", "ELU", "HARD_SWISH",
    "LOGISTIC", "TANH", "SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION", "GELU", "CONV_2D", "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED", "BATCH_MATMUL", "AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "SUM", "REDUCE_MAX", "PAD", "PADV2",
    "CONCATENATION", "RESHAPE", "SQUEEZE", "TRANSPOSE", "GATHER", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH",
})  # fmt: skip


def tflm_only(described: Description) -> bool:
    """Say whether a file keeps weights in tables, which no interpreter but TensorFlow Lite Micro decodes."""
    return any(op.name == TABLE_DECODER for op in described.ops)


def opaque(described: Description) -> tuple[str, ...]:
    """Name the custom operators that read constants: how many parameters are in those is unknown."""
    tensors = described.tensors
    found = (
        op.name
        for op in described.ops
        if op.custom and op.name not in TFLM_CUSTOM and any(i >= 0 and tensors[i].stored_bytes for i in op.inputs)
    )
    return tuple(dict.fromkeys(found))


def weight_slots(op: str) -> tuple[int, ...]:
    """Return the input slots of an operator in which a constant may be a parameter."""
    return WEIGHT_SLOTS.get(op, ()) or TABLE_SLOTS.get(op, ()) or OPERAND_SLOTS.get(op, ())


def decoded_from(op: str, inputs: Sequence[int], place: int) -> tuple[int, int | None]:
    """Give the stored tensor of a decoder's output `place`, and the tables beside it where the decoder reads tables.

    A DECODE has two inputs for each output: the indices, and a header with the tables.
    """
    if op != TABLE_DECODER:
        return inputs[0] if inputs else -1, None
    return (inputs[2 * place], inputs[2 * place + 1]) if 2 * place + 1 < len(inputs) else (-1, None)


def is_parameter(op: str, shape: Shape, dtype: str) -> bool:
    """Say whether a constant of this shape, in one of the operator's weight slots, counts as parameters."""
    if op in TABLE_SLOTS:
        return len(shape) > 1 and math.prod(shape[1:]) > 1
    if op in OPERAND_SLOTS:
        return dtype in OPERAND_TYPES and math.prod(shape) > 1
    return True
