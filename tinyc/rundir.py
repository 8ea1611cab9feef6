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
from typing import Any

from tinyc.errors import MachineError

MANIFEST = "step.json"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, `runs/<recipe>` or `runs/<recipe>-<8 of sha>` beside a run of another recipe."""

    path: Path

    def step(self, index: int, use: str, key: str) -> Path:
        return self.path / f"{index:02d}-{use}-{key[:12]}"


def choose(base: Path, name: str, sha256: str) -> RunFolder:
    """Take the recipe's folder, or one of its own where the folder holds a report of another recipe."""
    plain = base / name
    report = plain / "report.json"
    try:
        owner = json.loads(report.read_text(encoding="utf-8")).get("recipe_sha256") if report.is_file() else sha256
    except (ValueError, AttributeError):
        owner = None
    return RunFolder(plain if owner == sha256 else base / f"{name}-{sha256[:8]}")


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold the run folder against a second writer.

    Raises:
        MachineError: another process writes here, or the folder cannot be made.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    with (folder.path / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read().strip() or "another process"
            remedy = "wait for it to end, or give another folder by --out"
            raise MachineError(str(folder.path), f"is being written by process {owner}", remedy) from error
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        sweep(folder.path)
        yield


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
    for other in sorted(folder.path.parent.glob(f"*/{step.name}")):
        if other != step and manifest(other) is not None:
            writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.path))
            shutil.copytree(other, writing, dirs_exist_ok=True)
            os.replace(writing, step)
            return True
    return False


def set_aside(step: Path) -> Path:
    """Keep a damaged step under another name."""
    number = 1
    while (aside := step.with_name(f"{step.name}.damaged-{number}")).exists():
        number += 1
    os.replace(step, aside)
    return aside
