"""Where every byte of a .tflite goes: each is counted once, under one kind, and the kinds add up to the file.

A flatbuffer is read along its references; what a table, a vector or a string covers is claimed for its kind:

    table   [offset of its vtable: 4 bytes][fields]   and elsewhere its vtable [sizes: 4 bytes][2 bytes a field]
    vector  [length: 4 bytes][elements]               string  the same, and a zero byte behind it

Parts that several tables share count for the first that is met. What nothing refers to is padding where it is zero.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tinyc.errors import UserError
from tinyc.interpreters.constants import constants
from tinyc.interpreters.description import Description
from tinyc.interpreters.flatbuffer import MALFORMED
from tinyc.interpreters.schema import schema

# In the order in which they are shown: what a network needs, what its reader needs, what nobody needs.
KINDS = (
    "weights", "weight tables", "biases", "other constants", "scales and zero points", "shapes",
    "operators and options", "tables and offsets", "buffer headers", "alignment padding", "names",
    "calibrated ranges", "signatures", "description", "metadata", "sparsity", "unread buffers", "unknown",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What a table's field refers to: numbers of `width` bytes, a text, one table or a vector of them."""

    how: Literal["numbers", "text", "table", "tables"]
    kind: str = ""
    width: int = 1
    table: str = ""


def numbers(kind: str, width: int) -> Part:
    return Part("numbers", kind, width)


def texts(kind: str) -> Part:
    return Part("text", kind)


def tables(name: str) -> Part:
    return Part("tables", table=name)


OPERATORS, OFFSETS, HEADERS, NAMES = "operators and options", "tables and offsets", "buffer headers", "names"
SIGNATURES, METADATA, SCALES, RANGES = "signatures", "metadata", "scales and zero points", "calibrated ranges"
# Tables of the schema: the kind of their own bytes, and their references by field number.
LAYOUT: Mapping[str, tuple[str, Mapping[int, Part]]] = {
    "Model": (OFFSETS, {
        4: tables("Buffer"), 1: tables("OperatorCode"), 2: tables("SubGraph"), 3: texts("description"),
        5: numbers(METADATA, 4), 6: tables("Metadata"), 7: tables("SignatureDef"),
    }),
    "OperatorCode": (OPERATORS, {1: texts(OPERATORS)}),
    "SubGraph": (OFFSETS, {
        0: tables("Tensor"), 1: numbers(OPERATORS, 4), 2: numbers(OPERATORS, 4), 3: tables("Operator"), 4: texts(NAMES),
    }),
    "Tensor": (OFFSETS, {
        0: numbers("shapes", 4), 3: texts(NAMES), 4: Part("table", table="Quantization"),
        6: Part("table", table="Sparsity"), 7: numbers("shapes", 4),
    }),
    "Quantization": (SCALES, {0: numbers(RANGES, 4), 1: numbers(RANGES, 4), 2: numbers(SCALES, 4),
                              3: numbers(SCALES, 8)}),
    "Sparsity": ("sparsity", {0: numbers("sparsity", 4), 1: numbers("sparsity", 4), 2: tables("Dimension")}),
    "Dimension": ("sparsity", {}),
    "Operator": (OPERATORS, {
        1: numbers(OPERATORS, 4), 2: numbers(OPERATORS, 4), 4: Part("table", table="Options"),
        5: numbers(OPERATORS, 1), 7: numbers(OPERATORS, 1), 8: numbers(OPERATORS, 4),
        12: Part("table", table="Options"),
    }),
    "Options": (OPERATORS, {}),
    "VectorOptions": (OPERATORS, {0: numbers(OPERATORS, 4)}),
    "Metadata": (METADATA, {0: texts(METADATA)}),
    "SignatureDef": (SIGNATURES, {0: tables("TensorMap"), 1: tables("TensorMap"), 2: texts(SIGNATURES)}),
    "TensorMap": (SIGNATURES, {0: texts(SIGNATURES)}),
    "Buffer": (HEADERS, {}),
}  # fmt: skip
VTABLE_KIND = {"Operator": OPERATORS, "OperatorCode": OPERATORS, "Options": OPERATORS, "VectorOptions": OPERATORS}
VECTOR_KIND = {"Buffer": HEADERS, "Operator": OPERATORS, "OperatorCode": OPERATORS, "Metadata": METADATA,
               "SignatureDef": SIGNATURES, "TensorMap": SIGNATURES, "Dimension": "sparsity"}  # fmt: skip
# Gaps up to here are what alignment leaves; longer ones come from nowhere in the format.
PADDING_BYTES = 64


@functools.cache
def with_vector() -> frozenset[int]:
    """The options whose first field is a vector of 4-byte numbers."""
    names = schema().BuiltinOptions
    return frozenset({names.ReshapeOptions, names.SqueezeOptions, names.BucketizeOptions})


def anatomy(content: bytes, described: Description, where: str = "the artifact") -> dict[str, int]:
    """Count the bytes of a file by kind, in the order of `KINDS`; kinds without bytes are left out.

    Raises:
        UserError: a reference leads out of the file.
    """
    try:
        return Claims(content, described).count()
    except MALFORMED as error:
        problem = f"is not a TensorFlow Lite file that can be read: it is truncated or damaged ({error})"
        raise UserError(where, problem, "write or download the file again") from error


class Claims:
    """One walk over one file; `owner` holds for each byte the place of its kind in `KINDS`, 255 where it has none."""

    def __init__(self, content: bytes, described: Description) -> None:
        self.content = content
        self.owner = np.full(len(content), 255, np.uint8)
        self.seen: set[tuple[int, str]] = set()
        self.roles: dict[int, str] = {}
        # In the order of size; a buffer that serves as a weight anywhere is one.
        for constant in sorted(constants(described), key=lambda each: each.role == "other constants"):
            self.roles.setdefault(described.tensors[constant.tensor].buffer, constant.role)
        unread = (tensor.buffer for tensor in described.tensors if tensor.stored_bytes)
        for buffer in unread:
            self.roles.setdefault(buffer, "other constants")

    def count(self) -> dict[str, int]:
        self.claim(0, 8, OFFSETS)
        self.model = schema().Model.GetRootAs(self.content, 0)
        for i in range(self.model.MetadataLength()):
            self.roles.setdefault(self.model.Metadata(i).Buffer(), METADATA)
        # First, so that a vector which equal bytes share with a weight counts as the weight.
        self.buffers()
        self.table(self.uint(0), "Model")
        self.gaps()
        found = np.bincount(self.owner, minlength=256)
        return {kind: int(found[place]) for place, kind in enumerate(KINDS) if found[place]}

    def claim(self, start: int, size: int, kind: str) -> None:
        """Give bytes that nobody has to a kind."""
        if start < 0 or size < 0 or start + size > len(self.content):
            raise ValueError(f"bytes {start} to {start + size} of {len(self.content)}")
        part = self.owner[start : start + size]
        part[part == 255] = KINDS.index(kind)

    def uint(self, at: int) -> int:
        return int(struct.unpack_from("<I", self.content, at)[0])

    def table(self, at: int, name: str) -> None:
        """Claim a table, its vtable, and what its fields refer to."""
        if (at, name) in self.seen:
            return
        self.seen.add((at, name))
        own, parts = LAYOUT[name]
        vtable = at - struct.unpack_from("<i", self.content, at)[0]
        length, size = struct.unpack_from("<HH", self.content, vtable)
        self.claim(at, size, own)
        self.claim(vtable, length, VTABLE_KIND.get(name, OFFSETS))
        fields = {
            slot: at + offset
            for slot, (offset,) in enumerate(struct.iter_unpack("<H", self.content[vtable + 4 : vtable + length]))
            if offset
        }
        if name == "Operator" and 3 in fields and self.content[fields[3]] in with_vector():
            parts = {**parts, 4: Part("table", table="VectorOptions")}
        for slot, part in parts.items():
            if slot in fields:
                self.follow(fields[slot], part)

    def follow(self, field: int, part: Part) -> None:
        """Claim what one field refers to."""
        at = field + self.uint(field)
        if part.how == "table":
            self.table(at, part.table)
            return
        length = self.uint(at)
        if part.how == "tables":
            self.claim(at, 4 + 4 * length, VECTOR_KIND.get(part.table, OFFSETS))
            for place in range(at + 4, at + 4 + 4 * length, 4):
                self.table(place + self.uint(place), part.table)
            return
        self.claim(at, 4 + length * part.width + (part.how == "text"), part.kind)

    def buffers(self) -> None:
        """Claim the data of all buffers, by what they are read for."""
        for index in range(self.model.BuffersLength()):
            buffer, role = self.model.Buffers(index), self.roles.get(index, "unread buffers")
            if buffer.Size() > 1:  # kept behind the flatbuffer
                self.claim(buffer.Offset(), buffer.Size(), role)
            elif length := buffer.DataLength():
                start = buffer._tab.Vector(buffer._tab.Offset(4))
                self.claim(start, length, role)
                self.claim(start - 4, 4, HEADERS)

    def gaps(self) -> None:
        """Sort what nobody refers to: short runs of zeros are padding."""
        free = np.flatnonzero(self.owner == 255)
        for run in np.split(free, np.flatnonzero(np.diff(free) > 1) + 1) if len(free) else []:
            start, size = int(run[0]), len(run)
            zero = not any(self.content[start : start + size])
            self.claim(start, size, "alignment padding" if zero and size <= PADDING_BYTES else "unknown")
