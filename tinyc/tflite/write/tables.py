"""Weight tables: which tensors of a .tflite have so few values that indices and a table are smaller.

A tensor of at most 2^n values is stored as indices of n bits beside one table, or one table for each channel; the
operator TFLM_DECODE of TensorFlow Lite Micro decodes it into the arena before each operator that reads it. No other
interpreter has that operator.

The tables must divide a tensor as its scales do, one for all or one for each channel: that is how TFLM's kernel divides
it, whatever the file says, and a table of the other kind becomes other weights without an error (tflite-micro of
October 2026).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.tflite.read import operators, values
from tinyc.tflite.read.description import Description, Op, Tensor
from tinyc.tflite.read.flatbuffer import Reader, describe
from tinyc.tflite.write.table_writing import Table, write_tables

BITS_MOST = 7
# Kernels of these operators read the slots in each inference, and were seen to take them from the arena. Others read
# constants once, before the first DECODE runs.
READ_LATE = frozenset({
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "GATHER", "PRELU", "ADD", "SUB", "MUL",
})  # fmt: skip
# Types that TFLM's decoder knows.
DECODABLE = frozenset({"int8", "int16", "int32", "int64", "float32"})
# What one table adds to a packed file beside its own bytes: the tensors for tables and decoded weights, a buffer, and
# the operator with its lists; and what each further reader adds: an operator and its output.
TABLE_BYTES, READER_BYTES = 112, 56


@dataclass(frozen=True)
class Gain:
    """What one constant tensor weighs in the file, and what it would weigh in a table.

    Attributes:
        tensor: its index in the main graph.
        layer: the layer that reads it, by place where names are gone.
        bits: the width of an index.
        per_channel: each channel has a table of its own.
        bytes_before: what its data takes.
        bytes_after: indices, tables, their header, and all that the file says of them and of the DECODE operators.
        axis: the axis of the channels; None where one table serves all.
        values: the most values that one table holds.
        op: the operator that reads it.
    """

    tensor: int
    layer: str
    bits: int
    per_channel: bool
    bytes_before: int
    bytes_after: int
    axis: int | None = None
    values: int = 0
    op: str = ""

    @property
    def saved_bytes(self) -> int:
        return self.bytes_before - self.bytes_after


def gains(content: bytes, bits_most: int = BITS_MOST) -> tuple[Gain, ...]:
    """Weigh every constant tensor of the main graph that a table can hold, whether it would shrink or grow.

    A tensor that shares its bytes with another is left out: both would have to change.

    Args:
        content: any .tflite; one of an old converter too.
        bits_most: the widest index, 1 to 7.

    Raises:
        UserError: the file is damaged.
    """
    described = describe(content)
    reader = Reader(content)
    found = []
    for tensor, uses in candidates(described):
        held = values.stored_values(tensor, reader.data(tensor.buffer))
        if held is None or not held.size:
            continue
        gain = weigh(tensor, held, uses)
        if gain.bits <= bits_most:
            found.append(gain)
    return tuple(found)


def compact(content: bytes, chosen: Sequence[Gain]) -> bytes:
    """Write a .tflite with the chosen tensors in tables; without any, as it was.

    Whoever calls it proves that the outputs stay the same: TFLM reads what is not a table of its own without an error.
    """
    tables = {gain.tensor: Table(gain.bits, gain.axis) for gain in chosen}
    return write_tables(content, tables) if tables else content


def candidates(described: Description) -> Iterator[tuple[Tensor, list[Op]]]:
    """Give the constants whose every reader takes them late, each with its readers."""
    users = Counter(tensor.buffer for tensor in described.tensors)
    readers: dict[int, list[Op]] = {}
    bound = {tensor.index for tensor in described.outputs}
    for op in described.ops:
        for slot, index in enumerate(op.inputs):
            readers.setdefault(index, []).append(op)
            if op.graph or op.name not in READ_LATE or slot not in operators.weight_slots(op.name):
                bound.add(index)
    for tensor in described.tensors:
        uses = readers.get(tensor.index, [])
        alone = tensor.stored_bytes and users[tensor.buffer] == 1 and not tensor.sparse
        # The kernel takes channels along the first or the last axis.
        divided = len(tensor.scales) < 2 or tensor.axis in (0, len(tensor.shape) - 1)
        if uses and alone and divided and tensor.index not in bound and tensor.dtype in DECODABLE:
            yield tensor, uses


def weigh(tensor: Tensor, held: NDArray[Any], uses: list[Op]) -> Gain:
    """Say what a tensor takes in tables that divide it as its scales do."""
    axis = tensor.axis if len(tensor.scales) > 1 else None
    most = most_values(np.ascontiguousarray(held).view(f"i{held.itemsize}"), axis)
    bits = max(1, (most - 1).bit_length())
    tables = most * held.itemsize * (1 if axis is None else held.shape[axis])
    written = -(-held.size * bits // 8) + values.HEADER_BYTES + tables
    readers = len({op.index for op in uses})
    return Gain(
        tensor.index, uses[0].layer or f"op {uses[0].index}", bits, axis is not None, tensor.stored_bytes,
        written + TABLE_BYTES + READER_BYTES * (readers - 1), axis, most, uses[0].name,
    )  # fmt: skip


def most_values(numbers: NDArray[Any], axis: int | None) -> int:
    """Count the distinct values of the slice along `axis` that has most of them; of the whole where it is None."""
    rows = numbers.reshape(1, -1) if axis is None else np.moveaxis(numbers, axis, 0).reshape(numbers.shape[axis], -1)
    if numbers.itemsize == 1:
        present = np.zeros((len(rows), 256), bool)
        present[np.arange(len(rows))[:, None], np.ascontiguousarray(rows).view(np.uint8)] = True
        return int(present.sum(axis=1).max())
    ordered = np.sort(rows, axis=1)
    return 1 + int((ordered[:, 1:] != ordered[:, :-1]).sum(axis=1).max())
