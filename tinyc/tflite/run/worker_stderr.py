"""What C code said on stderr: in a worker, file descriptor 2 is a file of the worker's own."""

from __future__ import annotations

import os

STDERR = 2


def forget() -> None:
    """Empty the file, so that what comes next stands alone."""
    os.ftruncate(STDERR, 0)
    os.lseek(STDERR, 0, os.SEEK_SET)


def text() -> str:
    """Read what was said since the last `forget`."""
    return os.pread(STDERR, os.fstat(STDERR).st_size, 0).decode(errors="replace")
