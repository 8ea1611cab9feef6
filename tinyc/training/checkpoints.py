"""Checkpoints of a training: everything that the next epoch depends on, so that going on gives the same bytes.

    <folder>/epoch-000003.npz   weight-0000 ..., optimizer-0000 ..., callback-0000 ..., meta

`meta` is JSON: fingerprint, epoch, history. The last two are kept: where the latest is corrupt, the one before takes
its place.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tinyc.core import cache

KEPT = 2
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
History = dict[str, list[float]]


def variables(model: Any, optimizer: Any, callbacks: Sequence[Any] = ()) -> dict[str, Any]:
    """Return all variables of a training by name: weights, masks, ranges, statistics, the optimizer's, callbacks'."""
    groups = {"weight": model.weights, "optimizer": optimizer.variables, "callback": held(callbacks)}
    return {f"{name}-{index:04d}": each for name, group in groups.items() for index, each in enumerate(group)}


def held(callbacks: Sequence[Any]) -> list[Any]:
    """List the variables in which callbacks remember something from step to step: those that they name themselves."""
    return [variable for callback in callbacks for variable in getattr(callback, "checkpointed", ())]


def save_checkpoint(folder: Path, fingerprint: str, epoch: int, history: History, state: Mapping[str, Any]) -> None:
    """Write the checkpoint after `epoch` epochs, and delete those that are older than the one before.

    Raises:
        MachineError: the disk is full or the folder cannot be written to.
    """
    arrays = {name: variable.numpy() for name, variable in state.items()}
    meta = json.dumps({"fingerprint": fingerprint, "epoch": epoch, "history": history})
    write_arrays(checkpoint_path(folder, epoch), arrays, meta)
    keep_last(folder, KEPT)


def keep_last(folder: Path, count: int = 1) -> None:
    """Delete all checkpoints but the latest."""
    for path in sorted(folder.glob("epoch-*.npz"))[:-count]:
        with suppress(OSError):
            path.unlink()


def checkpoint_path(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:06d}.npz"


def restore(
    folder: Path, fingerprint: str, state: Mapping[str, Any], say: Callable[[str], None]
) -> tuple[int, History]:
    """Load the latest whole checkpoint into the variables; gives the epochs done and the history, or (0, {}).

    A file that is corrupt or belongs to another training is ignored, and said.
    """
    for path in sorted(folder.glob("epoch-*.npz"), reverse=True):
        try:
            arrays, text = read_arrays(path)
            meta = json.loads(text)
            if meta["fingerprint"] != fingerprint:
                raise ValueError("it belongs to another training")
            found = [(variable, fitting(arrays[name], variable)) for name, variable in state.items()]
        except UNREADABLE as error:
            say(f"{path}: ignored, {error}")
            continue
        for variable, array in found:
            variable.assign(array)
        return int(meta["epoch"]), meta["history"]
    return 0, {}


def fitting(array: Any, variable: Any) -> Any:
    """Refuse an array that is not of the variable's shape."""
    if tuple(array.shape) != tuple(variable.shape):
        raise ValueError(f"an array of shape {array.shape} for a variable of shape {tuple(variable.shape)}")
    return array


def write_arrays(path: Path, arrays: Mapping[str, Any], meta: str) -> None:
    """Write arrays and a text as one uncompressed .npz, which carries a checksum of each array."""
    text = np.frombuffer(meta.encode(), np.uint8)
    cache.write(path, lambda stream: np.savez(stream, meta=text, **arrays))


def read_arrays(path: Path) -> tuple[dict[str, Any], str]:
    """Read what `write_arrays` wrote; a truncated or altered file raises one of UNREADABLE."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return arrays, arrays.pop("meta").tobytes().decode()
