"""The door to Flower: its switches are set before it is imported, and what it logs is heard by the house."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinyc.core.errors import MachineError
from tinyc.core.progress import Progress

SWITCHES = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Nothing is reported, nothing is looked up, nothing is installed while it runs."""
REMEDY = 'pip install "tinyc[federate]"'
SILENCE = logging.NullHandler()
EXPECTED = ("DEPRECATED FEATURE", "FEATURE UPDATE", "proximal_mu", "Manually terminating")
"""Warnings of Flower that tell its developers something, and a reader of ours nothing."""


@functools.cache
def scratch() -> str:
    """Make a folder for what Flower writes for itself, which goes when this process does."""
    folder = tempfile.mkdtemp(prefix="tinyc-flower-")
    atexit.register(remove, folder, os.getpid())
    return folder


def remove(folder: str, owner: int) -> None:
    """Delete the folder in the process that made it; a fork of it leaves it alone."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def settle() -> None:
    """Set Flower's and Ray's switches for this process and its children, and take Flower's log off the terminal.

    Every function that imports `flwr` calls this first. Flower would keep files of its own in ~/.flwr; unless FLWR_HOME
    says where, they lie in a folder that goes with this process.

    Raises:
        MachineError: Flower is not installed.
    """
    os.environ.update(SWITCHES)
    if "FLWR_HOME" not in os.environ:
        os.environ["FLWR_HOME"] = scratch()
    if importlib.util.find_spec("flwr") is None:
        raise MachineError("flwr", "federated training needs Flower, which is not installed", REMEDY)
    from flwr.supercore.logger import FLOWER_LOGGER, console_handler

    FLOWER_LOGGER.removeHandler(console_handler)
    FLOWER_LOGGER.addHandler(SILENCE)  # without any, Python writes to stderr
    FLOWER_LOGGER.setLevel(logging.WARNING)
    FLOWER_LOGGER.propagate = False


def ray() -> Any:
    """Give the module Ray, with its reports switched off.

    Raises:
        MachineError: Ray is not installed.
    """
    settle()
    if importlib.util.find_spec("ray") is None:
        raise MachineError(
            "ray", "the engine 'simulation' needs Ray, which is not installed", f'{REMEDY}, or engine = "process"'
        )
    import ray as module

    return module


@contextmanager
def heard(progress: Progress) -> Iterator[None]:
    """Show Flower's warnings and errors as lines of the house's own, each text once."""
    settle()
    logger = logging.getLogger("flwr")
    handler = Said(progress)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class Said(logging.Handler):
    """A log handler that hands the first line of every new warning to a progress."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.WARNING)
        self.progress = progress
        self.known: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip()
        first = text.splitlines()[0] if text else ""
        if first and not text.startswith("Traceback") and first not in self.known:
            self.known.add(first)
            if not any(mark in text for mark in EXPECTED):
                self.progress.say(f"flower: {first}")
