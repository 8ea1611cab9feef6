"""Where every byte of a .tflite goes: each is counted once, under one kind, and the kinds add up to the file.

A flatbuffer is read along its references; what a table, a vector or a string covers is claimed for its kind:

    table   [offset of its vtable: 4 bytes][fields]   and elsewhere its vtable [sizes: 4 bytes][2 bytes a field]
    vector  [length: 4 bytes][elements]               string  the same, and a zero byte behind it

Parts that several tables share count for the first that is met. What nothing refers to is padding where it is zero.
Labels and vocabularies may lie behind it all, in the entries of a zip archive.
"""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np

from tinyc.core.errors import UserError
from tinyc.tflite.read.constants import constants
from tinyc.tflite.read.description import Description
from tinyc.tflite.read.flatbuffer import MALFORMED
from tinyc.tflite.read.layout import (
    FILES,
    HEADERS,
    KINDS,
    LAYOUT,
    METADATA,
    NO_REFERENCES,
    OFFSETS,
    OPERATORS,
    PADDING,
    VECTOR_KIND,
    Part,
)
from tinyc.tflite.read.schema import schema

# Gaps up to here are what alignment leaves; longer ones come from nowhere in the format.
PADDING_BYTES = 64


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
        self.archive()
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
        own, parts = LAYOUT.get(name, NO_REFERENCES)
        vtable = at - struct.unpack_from("<i", self.content, at)[0]
        length, size = struct.unpack_from("<HH", self.content, vtable)
        self.claim(at, size, own)
        self.claim(vtable, length, OPERATORS if own == OPERATORS else OFFSETS)
        fields = {
            slot: at + offset
            for slot, (offset,) in enumerate(struct.iter_unpack("<H", self.content[vtable + 4 : vtable + length]))
            if offset
        }
        for slot, part in parts.items():
            if slot not in fields:
                continue
            if part.how == "union":
                # Without a type there is nothing to follow, as there is not for one that the schema lacks.
                if member := member_of(part.table, self.content[fields[slot - 1]] if slot - 1 in fields else 0):
                    self.table(fields[slot] + self.uint(fields[slot]), member)
            else:
                self.follow(fields[slot], part)
        if name == "Operator" and 9 in fields and 10 in fields:  # custom options kept behind the flatbuffer
            start, size = (struct.unpack_from("<Q", self.content, fields[slot])[0] for slot in (9, 10))
            self.claim(start if start > 1 else 0, size if start > 1 else 0, OPERATORS)

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
            elif field := buffer._tab.Offset(4):
                start = buffer._tab.Vector(field)
                self.claim(start, buffer.DataLength(), role)
                self.claim(start - 4, 4, HEADERS)

    def archive(self) -> None:
        """Claim a zip archive behind the flatbuffer, as TensorFlow Lite's metadata tools append it."""
        try:
            with zipfile.ZipFile(io.BytesIO(self.content)) as found:
                start = min((entry.header_offset for entry in found.infolist()), default=found.start_dir)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
            return
        start = max(0, start)
        self.claim(start, len(self.content) - start, FILES)

    def gaps(self) -> None:
        """Sort what nobody refers to: short runs of zeros are padding."""
        free = np.flatnonzero(self.owner == 255)
        for run in np.split(free, np.flatnonzero(np.diff(free) > 1) + 1) if len(free) else []:
            start, size = int(run[0]), len(run)
            zero = not any(self.content[start : start + size])
            self.claim(start, size, PADDING if zero and size <= PADDING_BYTES else "unknown")


def member_of(union: str, code: int) -> str | None:
    """Return the table that a code of a union stands for; None where it stands for none."""
    names = {value: name for name, value in vars(getattr(schema(), union)).items() if isinstance(value, int)}
    return names.get(code) if code else None
