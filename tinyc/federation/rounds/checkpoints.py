"""What the next round depends on, kept after every round, so that a killed server goes on where it was.

    <folder>/epoch-000003.npz   array-<name> ... or sealed-<name> ..., memory-<attribute>-<name> ..., meta

`meta` is JSON: fingerprint, round, facts of the rounds. Weights that travel encrypted are stored in the clear by a
server that holds the key, else as they are. The last two are kept: where the latest is corrupt, the one before takes
its place. `memory` is what steps remember from round to round (`updates.Updates`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tinyc.core import files, limits
from tinyc.core.errors import clipped
from tinyc.federation.job import Job
from tinyc.federation.rounds.server import Server
from tinyc.federation.server.checks import unlike
from tinyc.federation.updates import Array, Arrays
from tinyc.spec.training import TRAINING
from tinyc.training import checkpoints

MAY_CHANGE: dict[str, Any] = {"timeout": 3600.0, "engine": "simulation", "address": None}
"""Options that do not change the weights, and what stands for them in a key: a training may go on with others."""


@dataclass(frozen=True)
class Progressed:
    """Where a training is: rounds done, the weights after them as they are sent, their facts, what steps remember."""

    round: int
    weights: Arrays
    facts: tuple[dict[str, Any], ...] = ()
    memory: Mapping[str, Arrays] = field(default_factory=dict)


def key(job: Job, arrays: Arrays, *details: str) -> str:
    """Hash everything that the final weights depend on; `details` is what the job does not know (the data's digest).

    A training's folder is `<cache>/trainings/<key>`.
    """
    total = hashlib.sha256()
    settled = replace(job, options=job.options.model_copy(update=MAY_CHANGE))
    total.update(json.dumps([TRAINING, settled.sha256, *details]).encode())
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return total.hexdigest()


def fingerprint(server: Server) -> str:
    """Hash what the server knows of that; the clients' data is not known here."""
    return key(server.job, server.arrays, str(server.seed))


def save(server: Server, done: Progressed) -> None:
    """Write the checkpoint after a round, whole or not at all, and delete those before the one before.

    Raises:
        MachineError: the disk is full or the folder cannot be written to.
    """
    if server.folder is None:
        return
    weights = server.clear(done.weights, done.round)
    kind, weights = ("sealed", done.weights) if weights is None else ("array", weights)
    arrays = {f"{kind}-{name}": array for name, array in weights.items()}
    for attribute, remembered in done.memory.items():
        arrays |= {f"memory-{attribute}-{name}": array for name, array in remembered.items()}
    meta = json.dumps({"fingerprint": fingerprint(server), "round": done.round, "facts": done.facts})
    checkpoints.write_arrays(checkpoints.checkpoint_path(server.folder, done.round), arrays, meta)
    checkpoints.keep_last(server.folder, checkpoints.KEPT)


def restore(server: Server) -> Progressed:
    """Go back to the last finished round that can be read, or to the start; what is passed over is said."""
    for path in sorted(server.folder.glob("epoch-*.npz"), reverse=True) if server.folder else ():
        try:
            return read(server, path)
        except Exception as error:  # a damaged file makes zipfile, NumPy and the parser of JSON raise of all kinds
            server.progress.say(f"{path}: passed over, {clipped(str(error) or type(error).__name__)}")
    return Progressed(0, server.sent(server.arrays, 0))


def read(server: Server, path: Path) -> Progressed:
    """Read one checkpoint."""
    files.size(path, limits.NETWORK_BYTES)
    stored, text = checkpoints.read_arrays(path)
    meta = json.loads(text)
    if meta["fingerprint"] != fingerprint(server):
        raise ValueError("it belongs to another training")
    round, facts = int(meta["round"]), tuple({**each, "examples": dict(each["examples"])} for each in meta["facts"])
    if round != len(facts) or not 0 < round <= server.options.rounds:
        raise ValueError(f"it tells of {len(facts)} rounds, and says that it is after round {round}")
    memory: dict[str, dict[str, Array]] = {}
    for key, array in under(stored, "memory-").items():
        attribute, _, name = key.partition("-")
        memory.setdefault(attribute, {})[name] = array
    return Progressed(round, read_weights(server, stored, round), facts, memory)


def read_weights(server: Server, stored: Arrays, round: int) -> Arrays:
    """Give the weights of a checkpoint as they are sent."""
    if sealed := under(stored, "sealed-"):
        return sealed
    arrays = under(stored, "array-")
    if problem := unlike(arrays, server.arrays):
        raise ValueError(problem)
    return server.sent({name: arrays[name] for name in server.arrays}, round)


def under(stored: Arrays, prefix: str) -> dict[str, Array]:
    """Give the arrays whose names begin so, without that."""
    return {name.removeprefix(prefix): array for name, array in stored.items() if name.startswith(prefix)}


def forget(server: Server) -> None:
    """Delete the checkpoints of a training whose network is in the clear and handed over."""
    if server.folder is not None:
        shutil.rmtree(server.folder, ignore_errors=True)
