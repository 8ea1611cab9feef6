"""What may stand where a file should: it must neither hang nor fill the memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def sparse(path: Path) -> None:
    """A file of 64 GiB that takes no room."""
    path.touch()
    os.truncate(path, 64 << 30)


MAKE: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "circle": lambda path: path.symlink_to(path),
    "vast": sparse,
    "missing": lambda path: None,
}
