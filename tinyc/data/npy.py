"""The header of an .npy array, judged before any of its values is read.

Byte layout: 0x93 "NUMPY", version (2 bytes), the header's length (2 bytes, from version 2 on 4, little-endian), the
header (a Python dict as text: descr, fortran_order, shape), then the values.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import limits, units
from tinyc.core.errors import UserError, clipped, quoted

MAGIC = b"\x93NUMPY"
LENGTHS = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
ENTRY = re.compile(
    r"""\s*['"](?P<key>\w+)['"]\s*:\s*(?P<value>'[^'\\\n]*'|"[^"\\\n]*"|True|False|\([0-9L, ]*\)|\[.*\])\s*(?:,|$)""",
    re.DOTALL,
)
SIDE = re.compile(r" *(0|[1-9][0-9]{0,18})L? *")
"""The length of an axis; Python 2 wrote an L behind a large one."""
DTYPE = re.compile(r"[<>|=]?[?a-zA-Z][0-9]{0,8}(\[[0-9a-zA-Z]{1,12}\])?")
MOST_AXES = 32
MOST_SPANNED = 1 << 62
"""NumPy counts the bytes of an empty array as if no axis were empty."""
AGAIN = "write it again with NumPy"
NO_OBJECTS = "store plain numbers: all examples of one shape, labels as integers or fixed-width strings"


@dataclass(frozen=True)
class Header:
    """What an array says of itself; `offset_bytes` is where its values begin."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset_bytes: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def value_bytes(self) -> int:
        return self.count * self.dtype.itemsize

    def require_values(self, where: str, size_bytes: int) -> None:
        """Refuse a header that declares more or fewer values than a file, or member, of this size holds."""
        follow = size_bytes - self.offset_bytes
        if math.prod(max(1, side) for side in self.shape) * self.dtype.itemsize > MOST_SPANNED and not follow:
            raise UserError(where, f"has a header with the shape {self.shape}", AGAIN)
        if self.value_bytes != follow:
            says = f"{self.dtype} of the shape {self.shape}, {units.show_bytes(self.value_bytes)}"
            raise UserError(where, f"its header says {says}, and {units.show_bytes(max(0, follow))} follow", AGAIN)

    def placeholder(self) -> NDArray[Any]:
        """Give an array of this shape and type that holds one value, so that shapes can be judged without memory."""
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)


def read_header(stream: IO[bytes], where: str) -> Header:
    """Read the header at the start of a stream.

    Raises:
        UserError: it is not a header of plain values, or asks for more than is read.
    """
    begin = stream.read(len(MAGIC) + 2)
    width = LENGTHS.get((begin[-2], begin[-1])) if len(begin) == len(MAGIC) + 2 and begin.startswith(MAGIC) else None
    if begin.startswith(b"PK"):
        problem = "is a zip, as an .npz of several arrays is, and not one array"
        raise UserError(where, problem, "store the one array with numpy.save")
    if width is None:
        raise UserError(where, "is not an array as NumPy writes it", AGAIN)
    length = int.from_bytes(stream.read(width), "little")
    if length > limits.ARRAY_HEADER_BYTES:
        problem = f"has a header of {length:,} bytes; at most {limits.ARRAY_HEADER_BYTES:,} are read"
        raise UserError(where, problem, AGAIN)
    text = stream.read(length)
    if len(text) < length:
        raise UserError(where, "is cut off within its header", AGAIN)
    said = text.decode("utf-8" if begin[6] > 2 else "latin-1", "replace").strip()
    table = entries(said)
    if set(table) != {"descr", "fortran_order", "shape"} or table["fortran_order"] not in ("True", "False"):
        raise UserError(where, f"has a header that cannot be read: {quoted(said)}", AGAIN)
    return Header(shape_of(table["shape"], where), dtype_of(table["descr"], where), len(begin) + width + length)


def entries(text: str) -> dict[str, str]:
    """Part the header's dict into its keys and the texts of their values; nothing where it is none.

    It is not given to Python's parser: that warns, fails and recurses on literals in many ways.
    """
    inner, found, place = text[1:-1], dict[str, str](), 0
    if text[:1] != "{" or text[-1:] != "}":
        return {}
    while inner[place:].strip():
        entry = ENTRY.match(inner, place)
        if entry is None or entry["key"] in found:
            return {}
        found[entry["key"]], place = entry["value"], entry.end()
    return found


def shape_of(given: str, where: str) -> tuple[int, ...]:
    """Read the lengths of the axes."""
    inner = given[1:-1].strip()
    sides = [SIDE.fullmatch(side) for side in inner.removesuffix(",").split(",")] if inner else []
    lengths = tuple(int(side[1]) for side in sides if side)
    is_number = len(sides) == 1 and "," not in inner
    if given[:1] != "(" or is_number or len(lengths) < len(sides) or len(sides) > MOST_AXES:
        raise UserError(where, f"has a header with the shape {clipped(given, 80)}", AGAIN)
    return lengths


def dtype_of(given: str, where: str) -> np.dtype[Any]:
    """Check the type of one value: a plain one, of a length that a text can have."""
    if given.startswith("["):
        problem = "is a structured array: each of its values has named fields"
        raise UserError(where, problem, "give one plain array, (examples, ...), under each name")
    if not DTYPE.fullmatch(given[1:-1]):
        raise UserError(where, f"has a header with the type {clipped(given, 80)}", AGAIN)
    try:
        found: np.dtype[Any] = np.dtype(given[1:-1])
    except (TypeError, ValueError) as error:
        raise UserError(where, f"has a header with the type {clipped(given, 80)}", AGAIN) from error
    if found.hasobject:
        raise UserError(where, "holds Python objects (a pickle), which can carry code and are not read", NO_OBJECTS)
    if found.itemsize > 4 * limits.CELL_CHARACTERS:
        problem = f"holds values of {units.show_bytes(found.itemsize)} each; at most "
        raise UserError(where, problem + f"{units.show_bytes(4 * limits.CELL_CHARACTERS)} are read", "shorten them")
    if not found.itemsize:
        raise UserError(where, f"has a header with the type {given}, which takes no bytes", AGAIN)
    return found


def read_values(stream: IO[bytes], header: Header, where: str) -> NDArray[Any]:
    """Read the values of a judged array; `stream` stands at its first byte.

    Raises:
        UserError: they end too early, or something follows them.
    """
    numpy_format: Any = np.lib.format
    found: NDArray[Any] = numpy_format.read_array(stream, allow_pickle=False)
    if stream.read(1):
        raise UserError(where, f"holds more than the shape {header.shape} of its header", AGAIN)
    if found.dtype.kind == "U" and not holds_text(found):
        raise UserError(where, "holds text with characters that do not exist", AGAIN)
    return found


def holds_text(array: NDArray[Any]) -> bool:
    """Say whether all four bytes of every character are a code point of Unicode."""
    codes = np.dtype(f"{array.dtype.byteorder}u4")
    return bool((np.ascontiguousarray(array).reshape(-1).view(codes) <= sys.maxunicode).all())
