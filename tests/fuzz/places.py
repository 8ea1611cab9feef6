"""What may stand where a file is expected: a pipe, a device, a link to itself, a folder, nothing, far too much."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def silent(path: Path) -> None:
    path.symlink_to("/dev/null")


def loop(path: Path) -> None:
    path.symlink_to(path)


def memory(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


def folder(path: Path) -> None:
    path.mkdir()


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def missing(path: Path) -> None:
    """Leave nothing there."""


def vast(path: Path) -> None:
    """A file of zeros that takes no room on the disk, and 64 GiB of memory."""
    path.touch()
    os.truncate(path, 64 << 30)


PLACES: dict[str, Callable[[Path], None]] = {
    each.__name__: each for each in (pipe, endless, silent, loop, memory, folder, nothing, missing, vast)
}
