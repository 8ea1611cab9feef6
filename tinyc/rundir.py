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

from tinyc.errors import MachineError

MANIFEST = "step.json"
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
        path.mkdir(parents=True, exist_ok=True)
        try:
            lock = (path / LOCK).open("a+")
        except FileNotFoundError:  # moved after it was made
            continue
        with lock:
            take(lock, path)
            if is_still(lock, path / LOCK):
                yield lock
                return


def take(lock: IO[str], path: Path) -> None:
    """Lock an open file, without waiting."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read().strip() or "another process"
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


def store(target: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write a step's files, then its manifest with their hashes, and rename the whole into place."""
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=target.parent))
    try:
        for name, content in files.items():
            write(writing / name, content)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        text = json.dumps({**manifest, "sha256": hashes}, indent=1, sort_keys=True)
        write(writing / MANIFEST, text.encode())
        if target.exists():
            shutil.rmtree(target)
        os.replace(writing, target)
    finally:
        shutil.rmtree(writing, ignore_errors=True)


def write(path: Path, content: bytes) -> None:
    """Write and reach the disk, so that a rename never shows an empty file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def replace(path: Path, content: bytes) -> None:
    """Put a file in place atomically; two processes may do so at once."""
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        write(temporary, content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def manifest(step: Path) -> dict[str, Any] | None:
    """Read a finished step's manifest, None where there is none or a file of it has changed since."""
    try:
        table = json.loads((step / MANIFEST).read_text(encoding="utf-8"))
        hashes = table.pop("sha256")
        sound = all(file_hash(step / name) == wanted for name, wanted in hashes.items())
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return table if sound and isinstance(table, dict) else None


def file_hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def borrow(folder: RunFolder, step: Path) -> bool:
    """Share a finished step of a run beside this one: equal keys are equal bytes."""
    return any(copied(other, step) for other in sorted(folder.path.parent.glob(f"*/{step.name}")) if other != step)


def copied(other: Path, step: Path) -> bool:
    """Copy a finished step; False where it is damaged, or its folder is moved meanwhile."""
    if manifest(other) is None:
        return False
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=step.parent))
    try:
        shutil.copytree(other, writing, dirs_exist_ok=True)
        os.replace(writing, step)
    except OSError:
        if other.exists():
            raise
        return False
    finally:
        shutil.rmtree(writing, ignore_errors=True)
    return True


def set_aside(step: Path) -> Path:
    """Keep a damaged step under another name."""
    number = 1
    while (aside := step.with_name(f"{step.name}.damaged-{number}")).exists():
        number += 1
    os.replace(step, aside)
    return aside
