"""Reading what a user names: regular files alone, their size asked before a byte is read.

A pipe or a device would hang or never end, and a file of /proc tells no size; so a file is opened without waiting,
looked at, and read only up to its limit.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO

from tinyc.core import units
from tinyc.core.errors import MachineError, UserError

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
PIECE_BYTES = 1 << 20
BAD_PATHS = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EINVAL)


@contextmanager
def opened(path: Path, most: int, where: str | None = None) -> Iterator[BufferedReader]:
    """Open a regular file of at most `most` bytes.

    Raises:
        UserError: it is missing, not a regular file or too large, or its path cannot be one.
        MachineError: it may not be read.
    """
    where = where or str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:
        raise UserError(where, f"is not a path: {error}", "give the path of a file") from error
    except OSError as error:
        raise unreadable(where, error) from error
    try:
        regular(where, os.fstat(descriptor), most)
    except UserError:
        os.close(descriptor)
        raise
    with open(descriptor, "rb") as stream:
        yield stream


def size(path: Path, most: int, where: str | None = None) -> int:
    """Return the bytes of a regular file, for readers that open it themselves; raises as `opened` does."""
    with opened(path, most, where) as stream:
        return os.fstat(stream.fileno()).st_size


def read(path: Path, most: int, where: str | None = None) -> bytes:
    """Read a regular file of at most `most` bytes whole; raises as `opened` does."""
    with opened(path, most, where) as stream:
        try:
            # As much room as the file says that it needs: Python would make room for all of `most` at once.
            parts = [stream.read(os.fstat(stream.fileno()).st_size + 1)]
            while (total := sum(map(len, parts))) <= most and (part := stream.read(PIECE_BYTES)):
                parts.append(part)
        except OSError as error:
            raise unreadable(where or str(path), error) from error
    if total > most:
        raise too_large(where or str(path), f"over {units.show_bytes(most)}", most)
    return b"".join(parts)


def read_text(path: Path, most: int, where: str | None = None) -> str:
    """Read a regular file of UTF-8 text, without its byte order mark; raises as `opened` does."""
    try:
        return read(path, most, where).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(where or str(path), f"is not UTF-8 text: {error}", "save it as UTF-8") from error


def for_lock(path: Path) -> IO[str]:
    """Open a regular file to lock it, made where there is none; a link is not followed.

    Raises:
        UserError: something else stands there.
        OSError: it cannot be opened or made.
    """
    mode = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, mode, 0o666)
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ELOOP, errno.ENXIO):
            raise UserError(str(path), "is not a regular file, and a lock is kept there", "remove it") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(str(path), "is not a regular file, and a lock is kept there", "remove it")
    return open(descriptor, "r+", errors="replace")


def exists(path: Path) -> bool:
    """Say whether anything stands at a path; nothing does where it is not a valid path.

    Raises:
        MachineError: a folder on the way to it may not be read.
    """
    try:
        path.stat()
    except ValueError:
        return False
    except OSError as error:
        if error.errno == errno.ENOENT or error.errno in BAD_PATHS:
            return False
        raise unreadable(str(path), error) from error
    return True


def regular(where: str, found: os.stat_result, most: int) -> None:
    """Check that something is a regular file of at most `most` bytes."""
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise UserError(where, f"is {kind}, not a regular file", "give the path of a file")
    if found.st_dev in system_devices():
        raise UserError(where, "is a file of the system (/proc, /sys), not of a disk", "give the path of a file")
    if found.st_size > most:
        raise too_large(where, units.show_bytes(found.st_size), most)


@functools.cache
def system_devices() -> frozenset[int]:
    """Return the devices of files that the kernel makes up as they are read: they tell no size, and some never end."""
    return frozenset(place.stat().st_dev for place in (Path("/proc"), Path("/sys")) if place.is_dir())


def too_large(where: str, shown: str, most: int) -> UserError:
    return UserError(where, f"has {shown}; at most {units.show_bytes(most)} are read", "give a smaller file")


def unreadable(where: str, error: OSError) -> UserError | MachineError:
    """Say why a path cannot be opened: its own fault, or the machine's."""
    if error.errno == errno.ENOENT:
        return UserError(where, "there is no such file", "check the path")
    if error.errno in BAD_PATHS:
        return UserError(where, f"is not a path: {(error.strerror or str(error)).lower()}", "give the path of a file")
    return MachineError(
        where, f"cannot be read: {(error.strerror or str(error)).lower()}", "check the path and its permissions"
    )
