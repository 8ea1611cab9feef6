"""What a client keeps to itself between rounds (its own batch normalization), in files or in the node's state.

    <folder>/<SHA-256 of the client's name>/epoch-000003.npz

The last two rounds are kept, so that a server that is killed in a round and does it again meets the same clients.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tinyc.federation import tensors
from tinyc.federation.flower.messages import ARRAYS, Content, content, weights_of
from tinyc.federation.updates import Array, Arrays
from tinyc.training import checkpoints


def recall(folder: Path | None, state: Content, client: str, round: int) -> dict[str, Array]:
    """Give what the client kept of its last round before this one; empty in its first."""
    if folder is None:
        block = weights_of(state)
        return tensors.unpacked(block) if block is not None else {}
    place = own(folder, client)
    earlier = [path for path in sorted(place.glob("epoch-*.npz")) if path < checkpoints.checkpoint_path(place, round)]
    return checkpoints.read_arrays(earlier[-1])[0] if earlier else {}


def keep(folder: Path | None, state: Content, client: str, round: int, kept: Arrays) -> None:
    """Keep what a round left for the client's next one.

    Raises:
        MachineError: the disk is full or the folder cannot be written to.
    """
    if not kept:
        return
    if folder is None:
        state[ARRAYS] = content(tensors.packed(kept))[ARRAYS]
        return
    place = own(folder, client)
    latest = checkpoints.checkpoint_path(place, round)
    for path in place.glob("epoch-*.npz"):
        if path > latest:
            path.unlink()
    checkpoints.write_arrays(latest, kept, "")
    checkpoints.keep_last(place, checkpoints.KEPT)


def own(folder: Path, client: str) -> Path:
    """Name a client's folder."""
    return folder / hashlib.sha256(client.encode()).hexdigest()[:32]
