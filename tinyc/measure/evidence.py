"""Measured latencies in the user cache, by the sha256 of the artifact and the name of the board."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tinyc.core import cache, files, limits
from tinyc.core.errors import UserError, quoted
from tinyc.devices.table import Table
from tinyc.measure.boards import require_board
from tinyc.measure.timings import MeasuredMachine, Timings, fault

KIND = "measurements"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
KEY = re.compile(r"[0-9a-f]{64}")


class Evidence(Table, frozen=True):
    """One file of the store."""

    board: str
    timings: Timings


@dataclass(frozen=True)
class MeasuredLatency:
    """How long one artifact takes on one board, with the number of threads that is fastest there.

    Attributes:
        sha256: of the artifact.
        board: its name.
        median: of warm inferences, in seconds; `p5` and `p95` are percentiles.
        cold: the median of first inferences, in seconds.
        threads: how many.
        runs: how many warm inferences were measured.
        runtime: the interpreter's package and version; `xnnpack` whether it told that it uses XNNPACK.
        machine: what the measurement says of the board.
        date: when it was measured, by the clock of that machine.
    """

    sha256: str
    board: str
    median: float
    p5: float
    p95: float
    cold: float
    threads: int
    runs: int
    runtime: str
    xnnpack: bool
    machine: MeasuredMachine
    date: str

    @property
    def fps(self) -> float:
        """Frames a second at the median."""
        return 1 / self.median


def store(timings: Timings, board: str) -> Path:
    """Keep what was measured of an artifact on a board; it takes the place of what was kept before.

    Raises:
        UserError: there is no such board, or the machine that was measured cannot be one.
        MachineError: the cache cannot be written to.
    """
    require_board(board, timings.machine.architecture)
    path = place(timings.sha256, board)
    content = Evidence(board=board, timings=timings).model_dump_json(indent=1).encode()
    cache.write(path, lambda stream: stream.write(content))
    return path


def latest(sha256: str, board: str) -> MeasuredLatency | None:
    """Give what was last kept for an artifact on a board; None where nothing was.

    Raises:
        UserError: what is there is damaged, or of another artifact or board.
    """
    path = place(sha256, board)
    if not files.exists(path):
        return None
    try:
        found = Evidence.model_validate_json(files.read(path, limits.MEASUREMENT_BYTES))
    except ValidationError as error:
        raise damaged(path, fault(error)) from error
    if (found.board, found.timings.sha256) != (board, sha256):
        raise damaged(path, "it is of another artifact or board")
    return measured_latency(found.timings, board)


def measured_latency(timings: Timings, board: str) -> MeasuredLatency:
    """Take the number of threads that is fastest."""
    best = timings.fastest
    return MeasuredLatency(
        timings.sha256, board, best.warm.median, best.warm.p5, best.warm.p95, best.cold, best.threads, best.warm.runs,
        timings.runtime, best.xnnpack, timings.machine, timings.date,
    )  # fmt: skip


def place(sha256: str, board: str) -> Path:
    """Find the file of an artifact and a board.

    Raises:
        UserError: the name cannot be a board's.
    """
    if not NAME.fullmatch(board) or not KEY.fullmatch(sha256):
        raise UserError("measurements", f"there are none of {quoted(board)}", "give the name of a board")
    return cache.folder() / KIND / sha256 / f"{board}.json"


def damaged(path: Path, why: str) -> UserError:
    return UserError(str(path), f"is not a measurement that was kept: {why}", "delete it, and measure again")
