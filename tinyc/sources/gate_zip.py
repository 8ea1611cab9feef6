"""What a .keras file must not hold: anything but a network's description, its weights and its vocabularies, once."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

from tinyc.errors import UserError
from tinyc.sources import gate_hdf5

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
ASSET = re.compile(r"assets/(?:[A-Za-z0-9_]+/)*(?:vocabulary\.txt)?")
LARGEST_TEXT_BYTES = 256 << 20
DAMAGE = (OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
AGAIN = "save the network again, or give `build` with `weights`"


def read(path: Path, scratch: Path, place: str) -> tuple[bytes, bytes]:
    """Check a .keras file, and give its metadata.json and config.json.

    Args:
        scratch: a folder of the caller's, where the weights are laid to be looked at.

    Raises:
        UserError: it is damaged, or holds other members than Keras writes, one twice, or more than it weighs.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_members(archive, path.stat().st_size, place)
            broken = archive.testzip()
            texts = archive.read(METADATA), archive.read(CONFIG)
            weights = Path(archive.extract(WEIGHTS, scratch))
    except DAMAGE as error:
        raise UserError(place, f"is no whole .keras file: {error}", AGAIN) from error
    if broken:
        raise UserError(place, f"is damaged: {broken} does not match its checksum", AGAIN)
    found = gate_hdf5.problem(weights)
    weights.unlink()
    if found:
        raise UserError(place, f"{WEIGHTS} {found}", AGAIN)
    return texts


def refuse_members(archive: zipfile.ZipFile, size: int, place: str) -> None:
    """Refuse members that Keras does not write, and those that unpack to more than the file could hold."""
    members = archive.infolist()
    names = [member.filename for member in members]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(place, f"holds {twice[:80]!r} twice", AGAIN)
    for member in members:
        if member.filename not in (METADATA, CONFIG, WEIGHTS) and not ASSET.fullmatch(member.filename):
            pickled = member.filename.endswith((".npz", ".npy", ".pkl"))
            found = "can be a pickle and run code" if pickled else "is none of the members that are read"
            raise UserError(place, f"holds {member.filename[:80]!r}, which {found}", AGAIN)
        if member.filename != WEIGHTS and member.file_size > LARGEST_TEXT_BYTES:
            raise UserError(place, f"holds {member.filename!r} of {member.file_size} bytes", AGAIN)
    total = sum(member.file_size for member in members)
    if total > gate_hdf5.LARGEST_RATIO * size + gate_hdf5.SPARE_BYTES:
        raise UserError(place, f"unpacks to {total} bytes, and the file has {size}", AGAIN)
