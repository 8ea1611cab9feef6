"""Which kind each part of a .tflite belongs to: the tables of the schema, with what their fields refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# In the order in which they are shown: what a network needs, what its reader needs, what nobody needs.
KINDS = (
    "weights", "weight tables", "biases", "other constants", "scales and zero points", "shapes",
    "operators and options", "tables and offsets", "buffer headers", "alignment padding", "names",
    "calibrated ranges", "signatures", "description", "metadata", "associated files", "sparsity", "unread buffers",
    "unknown",
)  # fmt: skip
OPERATORS, OFFSETS, HEADERS, NAMES = "operators and options", "tables and offsets", "buffer headers", "names"
SIGNATURES, METADATA, SCALES, RANGES = "signatures", "metadata", "scales and zero points", "calibrated ranges"
SHAPES, SPARSITY, DESCRIPTION, FILES, PADDING = (
    "shapes", "sparsity", "description", "associated files", "alignment padding",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What a table's field refers to: numbers of `width` bytes, a text, a table, a vector of them, or one of a union.

    The field before that of a union says which of its tables it is.
    """

    how: Literal["numbers", "text", "table", "tables", "union"]
    kind: str = ""
    width: int = 1
    table: str = ""


def numbers(kind: str, width: int) -> Part:
    return Part("numbers", kind, width)


def texts(kind: str) -> Part:
    return Part("text", kind)


def table(name: str) -> Part:
    return Part("table", table=name)


def tables(name: str) -> Part:
    return Part("tables", table=name)


def union(name: str) -> Part:
    return Part("union", table=name)


Fields = Mapping[int, Part]


def lists(width: int, *slots: int) -> dict[int, Part]:
    """Numbers among an operator's options."""
    return dict.fromkeys(slots, numbers(OPERATORS, width))


# Tables of the schema: the kind of their own bytes, and their references by field number.
LAYOUT: Mapping[str, tuple[str, Fields]] = {
    "Model": (OFFSETS, {
        4: tables("Buffer"), 1: tables("OperatorCode"), 2: tables("SubGraph"), 3: texts(DESCRIPTION),
        5: numbers(METADATA, 4), 6: tables("Metadata"), 7: tables("SignatureDef"), 8: tables("ExternalBufferGroup"),
        9: tables("ExternalBuffer"),
    }),
    "OperatorCode": (OPERATORS, {1: texts(OPERATORS)}),
    "SubGraph": (OFFSETS, {
        0: tables("Tensor"), 1: numbers(OPERATORS, 4), 2: numbers(OPERATORS, 4), 3: tables("Operator"), 4: texts(NAMES),
    }),
    "Tensor": (OFFSETS, {
        0: numbers(SHAPES, 4), 3: texts(NAMES), 4: table("QuantizationParameters"), 6: table("SparsityParameters"),
        7: numbers(SHAPES, 4), 9: tables("VariantSubType"),
    }),
    "VariantSubType": (SHAPES, {0: numbers(SHAPES, 4)}),
    "QuantizationParameters": (SCALES, {
        0: numbers(RANGES, 4), 1: numbers(RANGES, 4), 2: numbers(SCALES, 4), 3: numbers(SCALES, 8),
        5: union("QuantizationDetails"),
    }),
    "CustomQuantization": (SCALES, {0: numbers(SCALES, 1)}),
    "BlockwiseQuantization": (SCALES, {3: numbers(SCALES, 4)}),
    "MultiAxisQuantization": (SCALES, {3: numbers(SCALES, 4)}),
    "SparsityParameters": (SPARSITY, {
        0: numbers(SPARSITY, 4), 1: numbers(SPARSITY, 4), 2: tables("DimensionMetadata"),
    }),
    "DimensionMetadata": (SPARSITY, {3: union("SparseIndexVector"), 5: union("SparseIndexVector")}),
    "Int32Vector": (SPARSITY, {0: numbers(SPARSITY, 4)}),
    "Uint16Vector": (SPARSITY, {0: numbers(SPARSITY, 2)}),
    "Uint8Vector": (SPARSITY, {0: numbers(SPARSITY, 1)}),
    "Operator": (OPERATORS, {
        1: numbers(OPERATORS, 4), 2: numbers(OPERATORS, 4), 4: union("BuiltinOptions"), 5: numbers(OPERATORS, 1),
        7: numbers(OPERATORS, 1), 8: numbers(OPERATORS, 4), 12: union("BuiltinOptions2"),
    }),
    "Metadata": (METADATA, {0: texts(METADATA)}),
    "SignatureDef": (SIGNATURES, {0: tables("TensorMap"), 1: tables("TensorMap"), 2: texts(SIGNATURES)}),
    "TensorMap": (SIGNATURES, {0: texts(SIGNATURES)}),
    "Buffer": (HEADERS, {}),  # whose data belong to what reads them
    "ExternalBufferGroup": (HEADERS, {0: texts(HEADERS)}),
    "ExternalBuffer": (HEADERS, {4: texts(HEADERS)}),
    # Options of operators that are more than a few numbers.
    "ReshapeOptions": (OPERATORS, lists(4, 0)),
    "SqueezeOptions": (OPERATORS, lists(4, 0)),
    "BucketizeOptions": (OPERATORS, lists(4, 0)),
    "ConcatEmbeddingsOptions": (OPERATORS, lists(4, 1, 2)),
    "FullyConnectedOptions": (OPERATORS, lists(1, 5)),
    "VarHandleOptions": (OPERATORS, {0: texts(OPERATORS), 1: texts(OPERATORS)}),
    "StableHLOCompositeOptions": (OPERATORS, {0: texts(OPERATORS), **lists(1, 2)}),
    "StablehloBroadcastInDimOptions": (OPERATORS, lists(8, 0)),
    "StablehloCaseOptions": (OPERATORS, lists(4, 0)),
    "StablehloConvolutionOptions": (OPERATORS, {**lists(8, 0, 1, 2, 3, 7, 10, 13), **lists(1, 4), **lists(4, 16)}),
    "StablehloCustomCallOptions": (OPERATORS, {
        0: texts(OPERATORS), 2: texts(OPERATORS), **lists(4, 4), **lists(1, 5),
    }),
    "StablehloDotGeneralOptions": (OPERATORS, {**lists(8, 0, 1, 2, 3), **lists(4, 4)}),
    "StablehloDynamicSliceOptions": (OPERATORS, lists(8, 0)),
    "StablehloGatherOptions": (OPERATORS, lists(8, 0, 1, 2, 4)),
    "StablehloPadOptions": (OPERATORS, lists(8, 0, 1, 2)),
    "StablehloReduceOptions": (OPERATORS, lists(8, 0)),
    "StablehloReduceWindowOptions": (OPERATORS, lists(8, 0, 1, 2, 3, 4)),
    "StablehloScatterOptions": (OPERATORS, lists(8, 1, 2, 3)),
    "StablehloSliceOptions": (OPERATORS, lists(8, 0, 1, 2)),
    "StablehloTransposeOptions": (OPERATORS, lists(8, 0)),
}  # fmt: skip
# The options of all other operators refer to nothing.
NO_REFERENCES: tuple[str, Fields] = (OPERATORS, {})
VECTOR_KIND = {"Buffer": HEADERS, "Operator": OPERATORS, "OperatorCode": OPERATORS, "Metadata": METADATA,
               "SignatureDef": SIGNATURES, "TensorMap": SIGNATURES, "DimensionMetadata": SPARSITY}  # fmt: skip
