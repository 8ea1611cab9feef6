"""What a .keras file must not hold: anything but a network's description, its weights and its vocabularies, once."""

from __future__ import annotations

import re
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from tinyc.errors import UserError
from tinyc.sources import gate_hdf5

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
ASSET = re.compile(r"assets/(?:[A-Za-z0-9_]+/)*(?:vocabulary\.txt)?")
LARGEST_TEXT_BYTES = 256 << 20
DAMAGE = (OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
AGAIN = "save the network again, or give `build` with `weights`"


def texts(path: Path, place: str) -> tuple[bytes, bytes]:
    """Check the members of a .keras file, and give its metadata.json and config.json.

    Raises:
        UserError: it is damaged, or holds other members than Keras writes, one twice, or more than it weighs.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_members(archive, path.stat().st_size, place)
            broken = archive.testzip()
            found = archive.read(METADATA), archive.read(CONFIG)
    except DAMAGE as error:
        raise UserError(place, f"is no whole .keras file: {error}", AGAIN) from error
    if broken:
        raise UserError(place, f"is damaged: {broken} does not match its checksum", AGAIN)
    return found


def refuse_weights(path: Path, scratch: Path, place: str) -> None:
    """Refuse weights that reach out of the file; `scratch` is a folder to lay them in.

    Raises:
        UserError: they do, or there are none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            weights = Path(archive.extract(WEIGHTS, scratch))
    except DAMAGE as error:
        raise UserError(place, f"is no whole .keras file: {error}", AGAIN) from error
    found = gate_hdf5.problem(weights)
    weights.unlink()
    if found:
        raise UserError(place, f"{WEIGHTS} {found}", AGAIN)


def refuse_members(archive: zipfile.ZipFile, size: int, place: str) -> None:
    """Refuse members that Keras does not write, and those that unpack to more than the file could hold."""
    members = archive.infolist()
    names = [member.filename for member in members]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(place, f"holds {twice[:80]!r} twice", AGAIN)
    if min((member.header_offset for member in members), default=0):
        raise UserError(place, "holds something before its first member: two formats in one file", AGAIN)
    for member in members:
        if member.filename not in (METADATA, CONFIG, WEIGHTS) and not ASSET.fullmatch(member.filename):
            pickled = member.filename.endswith((".npz", ".npy", ".pkl"))
            found = "can be a pickle and run code" if pickled else "is no member that Keras writes"
            raise UserError(place, f"holds {member.filename[:80]!r}, which {found}", AGAIN)
        if member.filename != WEIGHTS and member.file_size > LARGEST_TEXT_BYTES:
            raise UserError(place, f"holds {member.filename!r} of {member.file_size} bytes", AGAIN)
    refuse_size(members, size, place)


def refuse_bomb(path: Path, place: str) -> None:
    """Refuse a zip of arrays that unpacks to more than it could hold; what is no zip is left to its reader."""
    with suppress(*DAMAGE), zipfile.ZipFile(path) as archive:
        refuse_size(archive.infolist(), path.stat().st_size, place)


def refuse_size(members: list[zipfile.ZipInfo], size: int, place: str) -> None:
    total = sum(member.file_size for member in members)
    if total > gate_hdf5.LARGEST_RATIO * size + gate_hdf5.SPARE_BYTES:
        raise UserError(place, f"unpacks to {total} bytes, and the file has {size}", AGAIN)
