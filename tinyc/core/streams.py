"""Standard output and error that can always be written to: what cannot be shown changes nothing else.

A full disk or a reader that has gone drops what is written; a letter that the terminal lacks is shown by its number.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from typing import Any

import click

from tinyc.core.errors import MachineError, obeyed_by_none


class Forgiving(io.RawIOBase):
    """A descriptor that takes all that is written to it; `lost` is the first error that kept something back."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.lost: OSError | None = None

    def write(self, content: Any) -> int:
        left = memoryview(content).cast("B")
        while left and self.lost is None:
            try:
                left = left[os.write(self.descriptor, left) :]
            except OSError as error:
                self.lost = error
        return len(memoryview(content).cast("B"))

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return os.isatty(self.descriptor)


def settle() -> None:
    """Make both streams that are written to tolerate a closed reader; their descriptors are open."""
    sys.stdout, sys.stderr = forgiving(1, sys.stdout), forgiving(2, sys.stderr)


def forgiving(descriptor: int, given: Any) -> io.TextIOWrapper:
    """Return a text stream like the one that Python opened, which may be None."""
    encoding = getattr(given, "encoding", None) or "utf-8"
    buffer = io.BufferedWriter(Forgiving(descriptor))
    lines = descriptor == 2 or os.isatty(descriptor)
    return io.TextIOWrapper(buffer, encoding, errors="backslashreplace", line_buffering=lines)


def lost() -> OSError | None:
    """Return what kept back a part of standard output; None where nothing did, or its reader had gone."""
    flush()
    found = getattr(getattr(getattr(sys.stdout, "buffer", None), "raw", None), "lost", None)
    return found if isinstance(found, OSError) and found.errno != errno.EPIPE else None


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def show(line: str) -> None:
    """Write one line for people on standard output; a terminal obeys nothing in it."""
    click.echo(obeyed_by_none(line))


def page(text: str) -> None:
    """Write lines for people on standard output."""
    for line in text.split("\n"):
        show(line)


def give(text: str, as_json: bool) -> None:
    """Write what was asked for: as JSON whole, as lines as well as may be."""
    (result if as_json else page)(text)


def note(text: str) -> None:
    """Write lines beside the result, on standard error."""
    click.echo("\n".join(map(obeyed_by_none, text.split("\n"))), err=True)


def result(text: str) -> None:
    """Write JSON for programs on standard output, whole.

    Raises:
        MachineError: a part of it could not be written.
    """
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = "".join(letter if letter.isascii() else json.dumps(letter)[1:-1] for letter in text)
    click.echo(text.removesuffix("\n"))
    error = lost()
    if error:
        problem = f"cannot be written: {(error.strerror or str(error)).lower()}"
        raise MachineError("standard output", problem, "free some space there, or write it to another place")
