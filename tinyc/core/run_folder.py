"""The run folder: one writer at a time, finished steps appear whole or not at all, and every file has its hash."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tinyc.core import files, limits
from tinyc.core.errors import MachineError, TinycError, UserError

MANIFEST = "step.json"
SEAL = "of_this_table"
LOCK = ".lock"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run: `runs/<recipe>` is the newest, `runs/<recipe>-<8 of sha>` an earlier one (`newest`)."""

    path: Path

    def step(self, index: int, use: str, key: str) -> Path:
        return self.path / f"{index:02d}-{use}-{key[:12]}"


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold the run folder against a second writer. The lock is a file in it, and moves with it.

    Raises:
        MachineError: another process writes here, or the folder cannot be made.
    """
    with held(folder.path) as lock:
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        sweep(folder.path)
        yield


@contextmanager
def held(path: Path) -> Iterator[IO[str]]:
    """Open and lock a folder's lock file; a folder that was moved between both is opened anew by its name."""
    while True:
        make(path)
        try:
            lock = files.for_lock(path / LOCK)
        except FileNotFoundError:  # moved after it was made
            continue
        with lock:
            take(lock, path)
            if is_still(lock, path / LOCK):
                yield lock
                return


def make(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        UserError: something else stands at one of their places.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        problem = "cannot be a folder: a file or a broken link stands in its place"
        raise UserError(str(path), problem, "move that away, or give another folder by --out") from error


def take(lock: IO[str], path: Path) -> None:
    """Lock an open file, without waiting."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read(20).strip() or "another process"
        remedy = "wait for it to end, or give another folder by --out"
        raise MachineError(str(path), f"is being written by process {owner}", remedy) from error


def is_still(lock: IO[str], path: Path) -> bool:
    """Say whether an open file still stands at its path."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


def sweep(path: Path) -> None:
    """Remove what a killed run left half written."""
    for leftover in path.glob(".writing-*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def store(target: Path, manifest: Mapping[str, Any], contents: Mapping[str, bytes]) -> None:
    """Write a step's files, then its manifest with their hashes and its own, and rename the whole into place.

    Raises:
        OSError: it cannot be written; what stood there before still does.
    """
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=target.parent))
    try:
        for name, content in contents.items():
            write(writing / name, content)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        table = {**manifest, "sha256": hashes}
        write(writing / MANIFEST, json.dumps({**table, SEAL: seal(table)}, indent=1, sort_keys=True).encode())
        clear(target)
        os.replace(writing, target)
    except OSError as error:
        raise at(target, error) from error
    finally:
        shutil.rmtree(writing, ignore_errors=True)


def clear(target: Path) -> None:
    """Remove what stands in the place of a step: a folder, or a file or link, which is not followed."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def seal(table: Mapping[str, Any]) -> str:
    """Hash what a manifest says, in whatever layout."""
    said = json.dumps(json.loads(json.dumps(table)), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def at(path: Path, error: OSError) -> OSError:
    """Put the place that it belongs to into an error of the system: it has a temporary place, or none."""
    return OSError(error.errno, error.strerror or str(error), str(path))


def write(path: Path, content: bytes) -> None:
    """Write and reach the disk, so that a rename never shows an empty file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def replace(path: Path, content: bytes) -> None:
    """Put a file in place atomically; two processes may do so at once.

    Raises:
        OSError: it cannot be written; what stood there before still does.
    """
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        write(temporary, content)
        os.replace(temporary, path)
    except OSError as error:
        raise at(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def manifest(step: Path) -> dict[str, Any] | None:
    """Read a finished step's manifest, None where there is none, or it or a file of it has changed since."""
    table = sealed(step)
    return None if table is None else {name: value for name, value in table.items() if name != "sha256"}


def sealed(step: Path) -> dict[str, Any] | None:
    """Read the manifest with the hashes of its files; None where they have changed."""
    try:
        table = json.loads(files.read_text(step / MANIFEST, limits.JSON_BYTES))
        if not isinstance(table, dict) or table.pop(SEAL, None) != seal(table):
            return None
        sound = all(is_inside(name) and file_hash(step / name) == wanted for name, wanted in table["sha256"].items())
    except (TinycError, OSError, ValueError, RecursionError):
        return None
    return table if sound else None


def is_inside(name: str) -> bool:
    """Say whether a file's name leads nowhere out of its folder."""
    return not os.path.isabs(name) and ".." not in Path(name).parts


def file_hash(path: Path) -> str:
    """Compute the SHA-256 of a regular file.

    Raises:
        UserError: it is none.
    """
    with files.opened(path, limits.NETWORK_BYTES) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def borrow(folder: RunFolder, step: Path) -> bool:
    """Share a finished step of a run beside this one: equal keys are equal bytes."""
    return any(copied(other, step) for other in sorted(folder.path.parent.glob(f"*/{step.name}")) if other != step)


def copied(other: Path, step: Path) -> bool:
    """Copy a finished step; False where it is damaged, or its folder is moved meanwhile."""
    table = sealed(other)
    if table is None:
        return False
    hashes = table.pop("sha256")
    try:
        contents = {name: files.read(other / name, limits.NETWORK_BYTES) for name in hashes}
    except TinycError:
        return False
    store(step, table, contents)
    return True


def set_aside(step: Path) -> Path:
    """Keep a damaged step under another name."""
    number = 1
    while os.path.lexists(aside := step.with_name(f"{step.name}.damaged-{number}")):
        number += 1
    os.replace(step, aside)
    return aside
