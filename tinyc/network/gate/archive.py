"""What a .keras file must not hold: anything but a network's description, its weights and its vocabularies, once."""

from __future__ import annotations

import re
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from tinyc.core import limits, units
from tinyc.core.errors import UserError
from tinyc.network.gate import hdf5

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
ASSET = re.compile(r"assets/(?:[A-Za-z0-9_]+/)*(?:vocabulary\.txt)?")
RECORD_BYTES = 1 << 17
"""Where the record at the end of a zip begins at the latest, from the end: it may have a comment of 64 KiB."""
MEMBER_BYTES = 1024
"""What a member takes in the list of all, with a long name."""
DAMAGE = (OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
AGAIN = "save the network again, or give `build` with `weights`"


def texts(path: Path, place: str) -> tuple[bytes, bytes]:
    """Check the members of a .keras file, and give its metadata.json and config.json.

    Raises:
        UserError: it is damaged, or holds other members than Keras writes, one twice, or more than it weighs.
    """
    refuse_directory(path, place)
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_members(archive, path.stat().st_size, place)
            broken = archive.testzip()
            found = archive.read(METADATA), archive.read(CONFIG)
    except DAMAGE as error:
        raise UserError(place, f"is not a whole .keras file: {error}", AGAIN) from error
    if broken:
        raise UserError(place, f"is damaged: {broken} does not match its checksum", AGAIN)
    return found


def weights(path: Path, scratch: Path, place: str) -> int:
    """Count the numbers of a .keras file's weights; `scratch` is a folder to lay them in.

    Raises:
        UserError: they reach out of the file, or there are none.
    """
    held, numbers = unpacked(path, scratch, place)
    held.unlink()
    return numbers


def unpacked(path: Path, scratch: Path, place: str) -> tuple[Path, int]:
    """Lay the weights of a .keras file, whose members are checked, in a folder; give them and their count of numbers.

    Raises:
        UserError: they reach out of the file, or there are none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = Path(archive.extract(WEIGHTS, scratch))
    except DAMAGE as error:
        raise UserError(place, f"is not a whole .keras file: {error}", AGAIN) from error
    try:
        return held, hdf5.count_numbers(held)
    except ValueError as error:
        raise UserError(place, f"{WEIGHTS} {error}", AGAIN) from error


def refuse_members(archive: zipfile.ZipFile, size: int, place: str) -> None:
    """Refuse members that Keras does not write, and those that unpack to more than the file could hold."""
    members = archive.infolist()
    if len(members) > limits.ARCHIVE_MEMBERS:
        raise UserError(place, f"holds {len(members):,} members; at most {limits.ARCHIVE_MEMBERS:,} are read", AGAIN)
    names = [member.filename for member in members]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(place, f"holds {twice[:80]!r} twice", AGAIN)
    if min((member.header_offset for member in members), default=0):
        raise UserError(place, "holds something before its first member: two formats in one file", AGAIN)
    for member in members:
        if member.filename not in (METADATA, CONFIG, WEIGHTS) and not ASSET.fullmatch(member.filename):
            pickled = member.filename.endswith((".npz", ".npy", ".pkl"))
            found = "can be a pickle and run code" if pickled else "is not a member that Keras writes"
            raise UserError(place, f"holds {member.filename[:80]!r}, which {found}", AGAIN)
        if member.filename != WEIGHTS and member.file_size > limits.JSON_BYTES:
            found = f"of {units.show_bytes(member.file_size)}; at most {units.show_bytes(limits.JSON_BYTES)} are read"
            raise UserError(place, f"holds {member.filename!r} {found}", AGAIN)
    refuse_size(members, size, place)


def refuse_bomb(path: Path, place: str) -> None:
    """Refuse a zip of arrays that unpacks to more than it could hold; what is not a zip is left to its reader."""
    refuse_directory(path, place)
    with suppress(*DAMAGE), zipfile.ZipFile(path) as archive:
        refuse_size(archive.infolist(), path.stat().st_size, place)


def refuse_directory(path: Path, place: str) -> None:
    """Refuse a zip whose list of members alone would fill the memory: it is read whole when the zip is opened.

    The list's size stands 12 bytes into the record at the end of a zip (PK 5 6), or 40 bytes into the longer one before
    it (PK 6 6) where 4 bytes are too few.
    """
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - RECORD_BYTES))
        end = stream.read()
    sizes = [
        int.from_bytes(end[found + skipped : found + skipped + width], "little")
        for mark, skipped, width in ((b"PK\5\6", 12, 4), (b"PK\6\6", 40, 8))
        if (found := end.rfind(mark)) >= 0
    ]
    most = limits.ARCHIVE_MEMBERS * MEMBER_BYTES
    if any(most < size != 0xFFFFFFFF for size in sizes):
        raise UserError(place, f"has a list of members of {max(sizes):,} bytes; at most {most:,} are read", AGAIN)


def refuse_size(members: list[zipfile.ZipInfo], size: int, place: str) -> None:
    total = sum(member.file_size for member in members)
    if total > limits.UNPACKED_RATIO * size + limits.UNPACKED_SPARE_BYTES:
        raise UserError(place, f"unpacks to {total} bytes, and the file has {size}", AGAIN)
