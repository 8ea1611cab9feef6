"""Flower's log: off the terminal; its warnings can be shown as lines of tinyc's own progress."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from flwr.supercore.logger import FLOWER_LOGGER, console_handler

from tinyc.core.progress import Progress

EXPECTED = ("DEPRECATED FEATURE", "FEATURE UPDATE", "proximal_mu", "Manually terminating")
"""Marks of warnings that are meant for Flower's developers."""


FLOWER_LOGGER.removeHandler(console_handler)
FLOWER_LOGGER.addHandler(logging.NullHandler())  # without any handler, Python writes to stderr
FLOWER_LOGGER.setLevel(logging.WARNING)
FLOWER_LOGGER.propagate = False


@contextmanager
def warnings_shown(progress: Progress) -> Iterator[None]:
    """Show Flower's warnings and errors as lines of a progress, each text once."""
    handler = ProgressHandler(progress)
    FLOWER_LOGGER.addHandler(handler)
    try:
        yield
    finally:
        FLOWER_LOGGER.removeHandler(handler)


class ProgressHandler(logging.Handler):
    """A log handler that hands the first line of every new warning to a progress."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.WARNING)
        self.progress = progress
        self.known: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record's first line, unless it was shown before or is expected."""
        text = record.getMessage().strip()
        first = text.splitlines()[0] if text else ""
        if first and not text.startswith("Traceback") and first not in self.known:
            self.known.add(first)
            if not any(mark in text for mark in EXPECTED):
                self.progress.say(f"flower: {first}")
