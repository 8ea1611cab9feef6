"""The user cache: sources, soft labels, half-done trainings, measurements by content key; checkpoints by name.

An entry is one folder `<cache>/<kind>/<key>/`. Files in it are written beside their place and moved in, so that
a reader never sees half of one; several runs may share the cache.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from tinyc.core import files, units
from tinyc.core.errors import MachineError, UserError

KINDS = ("sources", "soft-labels", "trainings", "checkpoints", "measurements")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
REMEDY = "free some space (`tinyc cache list`, `tinyc cache clear`), or set TINYC_CACHE to another folder"


@dataclass(frozen=True)
class Entry:
    """One folder of the cache; `seconds` since it was last written to."""

    kind: str
    key: str
    bytes: int
    seconds: float


def folder() -> Path:
    """Find the cache: TINYC_CACHE, else tinyc in XDG_CACHE_HOME, else ~/.cache/tinyc."""
    if own := os.environ.get("TINYC_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "tinyc"


def entries(cache: Path) -> list[Entry]:
    """List what the cache holds, the latest first; a folder that does not exist is empty."""
    found = [entry(path) for kind in KINDS for path in (cache / kind).glob("*") if path.is_dir()]
    return sorted(found, key=lambda item: item.seconds)


def entry(path: Path) -> Entry:
    """Weigh one folder; files that vanish meanwhile count nothing."""
    size, latest = 0, 0.0
    for file in [path, *path.rglob("*")]:
        with suppress(FileNotFoundError):
            status = file.stat()
            size += status.st_size if file.is_file() else 0
            latest = max(latest, status.st_mtime)
    return Entry(path.parent.name, path.name, size, max(0.0, time.time() - latest))


def clear(cache: Path, key: str = "") -> list[Entry]:
    """Delete the entries whose key begins with `key`, all of them by default; say which they were.

    Raises:
        UserError: no entry's key begins with `key`.
        MachineError: a folder cannot be deleted.
    """
    chosen = [item for item in entries(cache) if item.key.startswith(key)]
    if key and not chosen:
        raise UserError(str(cache), f"no entry's key begins with {key!r}", "`tinyc cache list` shows them")
    for item in chosen:
        path = cache / item.kind / item.key
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise MachineError(str(path), f"cannot be deleted: {error.strerror}", "check its permissions") from error
    return chosen


def write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, then move it in: whole or not at all, also if the machine stops.

    Raises:
        MachineError: the disk is full or the folder cannot be written to.
    """
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with waiting.open("wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        waiting.replace(path)
    except OSError as error:
        full = error.errno in NO_SPACE
        problem = "the disk is full" if full else f"cannot be written: {error.strerror or error}"
        raise MachineError(str(path), problem, REMEDY) from error
    finally:
        with suppress(OSError):
            waiting.unlink()


def require(path: Path, needed: int) -> None:
    """Check that the disk under `path` has room for `needed` bytes.

    Raises:
        MachineError: it has not.
    """
    place = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        size, there = units.show_bytes(needed), units.show_bytes(free)
        raise MachineError(str(path), f"needs {size} of disk, and {there} are free", REMEDY)


@contextmanager
def locked(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of an entry; wait for another run that holds it, and say so once.

    The lock dies with its process.

    Raises:
        MachineError: the folder cannot be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        stream = files.for_lock(path / ".lock")
    except OSError as error:
        raise MachineError(str(path), f"cannot be written: {error.strerror}", REMEDY) from error
    with stream:
        hold(stream, path, say)
        yield


def hold(stream: IO[str], path: Path, say: Callable[[str], None]) -> None:
    """Take the lock of an open file; closing the file gives it back."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another run that works on {path.parent.name}/{path.name[:8]}")
        fcntl.flock(stream, fcntl.LOCK_EX)


def content_key(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names."""
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            total.update(str(file.relative_to(path)).encode() + b"\0")
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()
