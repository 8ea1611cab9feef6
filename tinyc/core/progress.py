"""How long-running work says where it is, without knowing who listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Something that shows work as it goes: a terminal, plain lines, or nothing."""

    def start(self, title: str, total: int) -> None:
        """Begin a task of `total` units (examples, usually); it replaces the task before."""

    def advance(self, amount: int, note: str = "") -> None:
        """Say that `amount` more units are done; `note` is a short live figure such as 'loss 0.412'."""

    def finish(self) -> None:
        """End the task."""

    def say(self, text: str) -> None:
        """Show one line that stays."""


class Silent:
    """Show nothing (tests, --json)."""

    def start(self, title: str, total: int) -> None: ...
    def advance(self, amount: int, note: str = "") -> None: ...
    def finish(self) -> None: ...
    def say(self, text: str) -> None: ...


@contextmanager
def task(progress: Progress, title: str, total: int) -> Iterator[Progress]:
    """Show one task and end it whatever happens."""
    progress.start(title, total)
    try:
        yield progress
    finally:
        progress.finish()
