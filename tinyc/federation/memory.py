"""What a client keeps to itself between rounds (its own batch normalization), in files or in Flower's context.

    <folder>/<SHA-256 of the client's name>/epoch-000003.npz

The last two rounds are kept, so that a server that is killed in a round and does it again meets the same clients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyc.federation import records
from tinyc.training import checkpoints

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT = "kept"


def recall(folder: Path | None, context: Any, client: str, round: int) -> dict[str, NDArray[Any]]:
    """Give what the client kept of its last round before this one; empty in its first."""
    if folder is None:
        return records.unpacked(context.state[KEPT]) if KEPT in context.state else {}
    earlier = [path for path in sorted(own(folder, client).glob("epoch-*.npz")) if number(path) < round]
    return checkpoints.read_arrays(earlier[-1])[0] if earlier else {}


def keep(folder: Path | None, context: Any, client: str, round: int, kept: Mapping[str, NDArray[Any]]) -> None:
    """Keep what a round left for the client's next one.

    Raises:
        MachineError: the disk is full or the folder cannot be written to.
    """
    if not kept:
        return
    if folder is None:
        context.state[KEPT] = records.packed(kept)
        return
    place = own(folder, client)
    for path in place.glob("epoch-*.npz"):
        if number(path) > round:
            path.unlink()
    checkpoints.write_arrays(checkpoints.checkpoint_path(place, round), kept, "")
    checkpoints.keep_last(place, checkpoints.KEPT)


def own(folder: Path, client: str) -> Path:
    return folder / hashlib.sha256(client.encode()).hexdigest()[:32]


def number(path: Path) -> int:
    return int(path.stem.removeprefix("epoch-"))
