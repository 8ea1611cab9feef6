"""An .npz: its arrays are judged by their headers, and of those that are needed alone the values are read."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from tinyc.core import files, limits, units
from tinyc.core.errors import MachineError, TinycError, UserError, obeyed_by_none, quoted
from tinyc.data import arrays, checks, npy, room
from tinyc.data.npy import Header
from tinyc.data.raw import Raw

AGAIN = "write it again with numpy.savez_compressed"
LEAVE_OUT = "leave out the arrays that are no part of the data"
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1
Members = Mapping[str, zipfile.ZipInfo]


@dataclass(frozen=True)
class Pieces:
    """A stream of which no large piece is read at once: the list of an archive's members may claim gigabytes."""

    stream: BinaryIO
    where: str

    def read(self, count: int = -1) -> bytes:
        if count > limits.ARCHIVE_LIST_BYTES:
            problem = f"has a list of members of {units.show_bytes(count)}"
            raise UserError(self.where, f"{problem}; at most {limits.ARCHIVE_MEMBERS:,} members are read", LEAVE_OUT)
        return self.stream.read(count if count >= 0 else limits.ARCHIVE_LIST_BYTES)

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        return self.stream.seek(place, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def seekable(self) -> bool:
        return True


def read_npz(path: Path) -> Raw:
    """Read an .npz without pickles.

    Raises:
        UserError: the file is damaged, holds Python objects, lacks arrays, or is refused by their headers.
        MachineError: the arrays do not fit into memory.
    """
    where = obeyed_by_none(str(path))
    with files.opened(path, limits.DATA_BYTES) as stream, open_archive(where, stream) as archive:
        members = members_of(where, archive)
        headers = dict(judged(where, archive, members))
        held = {name: header.placeholder() for name, header in headers.items()}
        plan = arrays.layout(where, held, tuple(name for name in members if name not in held))
        checks.pairs_agree(Raw(where, plan.taken("x", held), plan.taken("y", held)))
        needed = {name: headers[name] for name in headers if name not in plan.unread}
        require_room(where, os.fstat(stream.fileno()).st_size, needed)
        found = {name: values(where, archive, members[name], name, header) for name, header in needed.items()}
    return arrays.arranged(where, found, plan)


@contextmanager
def open_archive(where: str, stream: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open the archive."""
    try:
        archive = zipfile.ZipFile(Pieces(stream, where))
    except TinycError:
        raise
    except Exception as error:  # a damaged list of members makes zipfile raise of all kinds
        remedy = "write it with numpy.savez_compressed"
        raise UserError(where, "is not an .npz (a zip of arrays), or is damaged", remedy) from error
    with archive:
        yield archive


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Say of what array a failure is."""
    try:
        yield
    except TinycError:
        raise
    except MemoryError as error:
        raise MachineError(where, "does not fit into memory", room.FEWER) from error
    except Exception as error:  # damaged bytes make zipfile, zlib and NumPy raise of all kinds
        raise UserError(where, f"is damaged: {error}", AGAIN) from error


def members_of(where: str, archive: zipfile.ZipFile) -> Members:
    """Give the members by the names of their arrays.

    Raises:
        UserError: there are too many, or two of one name.
    """
    members = archive.infolist()
    if len(members) > limits.ARCHIVE_MEMBERS:
        problem = f"has {len(members):,} members; at most {limits.ARCHIVE_MEMBERS:,} are read"
        raise UserError(where, problem, LEAVE_OUT)
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name in found:
            raise UserError(where, f"has the array {quoted(name)} twice", AGAIN)
        found[name] = member
    return found


def judged(where: str, archive: zipfile.ZipFile, members: Members) -> Iterator[tuple[str, Header]]:
    """Read the headers of the arrays that have a meaning, and of those beside them that may be columns.

    Raises:
        UserError: one that has a meaning is not an array, or not one that is read.
    """
    for name, member in members.items():
        try:
            with reading(f"{where}: {name}"):
                header = header_of(f"{where}: {name}", archive, member)
        except UserError:
            if name in arrays.KNOWN:
                raise
            continue
        if name in arrays.KNOWN or arrays.is_column(header.placeholder()):
            yield name, header


def header_of(where: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    """Read the header of one member, and hold its shape against the member's size."""
    if member.flag_bits & ENCRYPTED:
        raise UserError(where, "is encrypted", "write the .npz without a password")
    if member.compress_type not in PACKED:
        raise UserError(where, f"is packed by a method that NumPy does not use ({member.compress_type})", AGAIN)
    with archive.open(member) as stream:
        header = npy.read_header(stream, where)
    header.require_values(where, member.file_size)
    return header


def require_room(where: str, file_bytes: int, needed: Mapping[str, Header]) -> None:
    """Refuse arrays that are too large, or larger than a file of this size holds."""
    total = sum(header.value_bytes for header in needed.values())
    room.require(where, total, sum(4 * header.count for header in needed.values() if header.dtype.kind == "f"))
    if total > limits.ARCHIVE_RATIO * file_bytes + limits.ARCHIVE_SPARE_BYTES:
        problem = f"unpacks to {units.show_bytes(total)}, and the file has {units.show_bytes(file_bytes)}"
        raise UserError(where, problem, "if the arrays are meant to be so empty, write them with numpy.savez")


def values(where: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, header: Header) -> NDArray[Any]:
    """Read the values of one array."""
    with reading(f"{where}: {name}"), archive.open(member) as stream:
        return npy.read_values(stream, header, f"{where}: {name}")
