"""Write a .tflite as small as the format allows: nothing is written twice, and gaps before aligned data are filled.

A flatbuffer refers to its parts by offsets, so that several tables may share one vector, or one table. The Python
writer that comes with the schema writes each part anew, and aligns the bytes of buffers to 4 where the schema says 16.

    table   [offset of its vtable][fields, in any order][padding]      shared where all fields are equal
    vector  [length: 4 bytes][elements]                                shared where length and bytes are equal
    buffer  a vector of bytes whose first element lies at a multiple of 16
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from tinyc.tflite.read.schema import schema

IDENTIFIER = b"TFL3"
BUFFER_ALIGNMENT = 16
PREFIX_BYTES = 4


@dataclass
class Writer:
    """A builder, and where each part that it has written lies; the builder writes from the end to the start."""

    builder: Any = field(default_factory=lambda: flatbuffers.Builder(1 << 16))
    written: dict[Hashable, int] = field(default_factory=dict)


def pack(model: Any) -> bytes:
    """Write a schema object `ModelT`; the same object always gives the same bytes."""
    writer = Writer()
    write_vectors(writer, model)
    writer.builder.Finish(write_table(writer, model), IDENTIFIER)
    return bytes(writer.builder.Output())


def write_vectors(writer: Writer, model: Any) -> None:
    """Write all vectors of numbers first: each buffer's data, and in the gap before it whatever fits best."""
    small = {key(vector): vector for vector in vectors(model)}
    data = {key(vector, BUFFER_ALIGNMENT): vector for vector in buffers(model)}
    waiting = sorted(small.values(), key=lambda vector: (vector.itemsize, vector.nbytes, vector.tobytes()))
    for vector in data.values():
        for filler in fillers(writer, waiting, vector.nbytes):
            write_vector(writer, filler)
        write_vector(writer, vector, BUFFER_ALIGNMENT)


def fillers(writer: Writer, waiting: list[NDArray[Any]], size: int) -> list[NDArray[Any]]:
    """Take up to two waiting vectors that leave the least padding before `size` aligned bytes.

    A filler is worth it where it goes into padding for nothing; of equals the first is taken.
    """
    start = writer.builder.Offset()
    best: tuple[NDArray[Any], ...] = ()
    least = after(start, (), size)
    singles = [(vector,) for vector in waiting]
    pairs = [(a, b) for i, a in enumerate(waiting) for b in waiting[i + 1 :]] if len(waiting) < 200 else []
    for chosen in (*singles, *pairs):
        wasted = after(start, chosen, size)
        if wasted < least:
            best, least = chosen, wasted
        if not least:
            break
    for vector in best:
        waiting[:] = [other for other in waiting if other is not vector]
    return list(best)


def after(start: int, chosen: tuple[NDArray[Any], ...], size: int) -> int:
    """Count the bytes of padding that writing the chosen vectors and then `size` aligned bytes takes."""
    offset, wasted = start, 0
    for nbytes, alignment in (*((each.nbytes, max(each.itemsize, 4)) for each in chosen), (size, BUFFER_ALIGNMENT)):
        padding = -(offset + nbytes) % alignment
        wasted += padding
        offset += padding + nbytes + PREFIX_BYTES
    return wasted


def key(vector: NDArray[Any], alignment: int = 0) -> Hashable:
    """Two vectors with one key may be one in the file."""
    return max(alignment, vector.itemsize), len(vector), vector.tobytes()


def vectors(table: Any) -> Iterator[NDArray[Any]]:
    """Yield every vector of numbers below a table, but the data of buffers."""
    for name, value in vars(table).items():
        if isinstance(value, np.ndarray) and not is_data(table, name):
            yield value
        for child in value if isinstance(value, list) else [value]:
            if is_table(child):
                yield from vectors(child)


def buffers(model: Any) -> Iterator[NDArray[Any]]:
    """Yield the data of all buffers that have some."""
    yield from (buffer.data for buffer in model.buffers or () if buffer.data is not None)


def is_table(value: Any) -> bool:
    return type(value).__module__ == str(schema().__name__)


def is_data(table: Any, name: str) -> bool:
    return type(table).__name__ == "BufferT" and name == "data"


def write_vector(writer: Writer, vector: NDArray[Any], alignment: int = 0) -> int:
    """Write a vector of numbers, or find it written."""
    known = key(vector, alignment)
    if known not in writer.written:
        builder, content = writer.builder, vector.tobytes()
        builder.StartVector(vector.itemsize, len(vector), max(alignment, vector.itemsize))
        builder.head = builder.Head() - len(content)
        builder.Bytes[builder.Head() : builder.Head() + len(content)] = content
        writer.written[known] = builder.EndVector()
    return writer.written[known]


def write_list(writer: Writer, items: list[Any]) -> int:
    """Write a vector of tables or strings."""
    offsets = tuple(write_child(writer, item) for item in items)
    if offsets not in writer.written:
        writer.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            writer.builder.PrependUOffsetTRelative(offset)
        writer.written[offsets] = writer.builder.EndVector()
    return writer.written[offsets]


def write_child(writer: Writer, value: Any, alignment: int = 0) -> int:
    """Write what a field refers to."""
    if isinstance(value, np.ndarray):
        return write_vector(writer, value, alignment)
    if isinstance(value, list):
        return write_list(writer, value)
    if isinstance(value, (bytes, str)):
        if value not in writer.written:
            writer.written[value] = writer.builder.CreateString(value)
        return writer.written[value]
    return write_table(writer, value)


def write_table(writer: Writer, table: Any) -> int:
    """Write a table after its children, wide fields together and single bytes together, or find it written."""
    kind = type(table).__name__.removesuffix("T")
    fields: list[tuple[int, str, Any]] = []
    for name, value in vars(table).items():
        if isinstance(value, (bytes, str, list, np.ndarray)) or is_table(value):
            alignment = BUFFER_ALIGNMENT if is_data(table, name) else 0
            fields.append((4, name, write_child(writer, value, alignment)))
        elif value is not None and (width := scalar_bytes(kind, name, value)):
            fields.append((width, name, value))
    fields.sort(key=lambda each: each[0])
    known = (kind, tuple(fields))
    if known not in writer.written:
        function(kind, "Start")(writer.builder)
        for _, name, value in fields:
            function(kind, "Add" + name[0].upper() + name[1:])(writer.builder, value)
        writer.written[known] = function(kind, "End")(writer.builder)
    return writer.written[known]


def function(kind: str, name: str) -> Any:
    """Return the schema's function that starts a table, adds a field or ends it."""
    return getattr(schema(), kind + name)


@functools.cache
def scalar_bytes(kind: str, name: str, value: Any) -> int:
    """Return how many bytes a scalar field takes; none where the value is the default, which is not written."""
    trial = flatbuffers.Builder(64)
    function(kind, "Start")(trial)
    before = trial.Offset()
    function(kind, "Add" + name[0].upper() + name[1:])(trial, value)
    return int(trial.Offset() - before)
