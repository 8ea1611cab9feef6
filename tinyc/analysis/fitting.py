"""One .tflite held against every board and runtime: from data, and the arena that TFLM needs for it on this host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyc.analysis.inspection import measure_arena
from tinyc.core import files, limits
from tinyc.devices.arena import scratch
from tinyc.devices.board import Board
from tinyc.devices.fitting import Problem, problems
from tinyc.devices.runtime import Runtime
from tinyc.devices.work import Work
from tinyc.measure.device_latency import latency_of
from tinyc.measure.figures import Latency
from tinyc.spec.device import Device
from tinyc.tflite.flash import flash_bytes
from tinyc.tflite.read.flatbuffer import open_tflite
from tinyc.tflite.works import works

HOST = "tflite-micro"
"""The runtime that runs here as well, of about the same age."""


@dataclass(frozen=True)
class Artifact:
    """What a file asks of a device: its operators, flash, and the least arena on this host (bytes).

    `arena_bytes` is None where TFLM does not run it here, for the reason `unmeasured`; `refusal` where that is its own.
    """

    path: Path
    content: bytes
    works: tuple[Work, ...]
    flash_bytes: int
    arena_bytes: int | None
    unmeasured: str | None
    refusal: str | None = None


@dataclass(frozen=True)
class Fit:
    """One artifact on one board with one runtime: sizes in bytes; None where no source or measurement tells.

    `flash_room` and `arena_room` are what a model may have of the board.
    """

    board: Board
    runtime: Runtime
    problems: tuple[Problem, ...]
    flash_bytes: int
    flash_room: int | None
    arena_bytes: int | None
    arena_room: int | None
    latency: Latency

    @property
    def runs(self) -> bool:
        """Say whether the runtime computes it, for all that is known."""
        return all(each.severity == "reported" for each in self.problems)

    @property
    def holds(self) -> bool | None:
        """Say whether it fits into flash and RAM; None where a size or a room is not known."""
        pairs = ((self.flash_bytes, self.flash_room), (self.arena_bytes, self.arena_room))
        known = [size <= room for size, room in pairs if size is not None and room is not None]
        return False if not all(known) else True if len(known) == len(pairs) else None


def read(path: Path) -> Artifact:
    """Read a file and measure its arena.

    Raises:
        UserError: it is missing or damaged.
    """
    content = files.read(path, limits.NETWORK_BYTES)
    _, described = open_tflite(content, str(path))
    arena, refusal, unmeasured = measure_arena(content, described, str(path))
    return Artifact(path, content, works(described), flash_bytes(content, {}), arena, refusal or unmeasured, refusal)


def on_runtimes(
    artifact: Artifact, runtimes: Iterable[Runtime], board: Board | None = None
) -> dict[str, tuple[Problem, ...]]:
    """Give the problems that each runtime has with a file, on a board where one is named, by the runtime's name."""
    return {runtime.name: troubles(artifact, runtime, board) for runtime in runtimes}


def troubles(artifact: Artifact, runtime: Runtime, board: Board | None) -> tuple[Problem, ...]:
    """Give the problems of one runtime; what TFLM refused here counts for the port that is as new."""
    found = problems(artifact.works, runtime, board)
    if artifact.refusal is None or runtime.name != HOST or any(each.severity == "missing" for each in found):
        return found
    what = f"is refused by TensorFlow Lite Micro on this host: {artifact.refusal}"
    return (Problem("missing", "the file", what, "convert it for TensorFlow Lite Micro", ("all of it",)), *found)


def on_boards(artifact: Artifact, boards: Sequence[Board], runtimes: Sequence[Runtime]) -> Iterator[Fit]:
    """Hold a file against each board, with the runtime that it has by default."""
    by_name = {runtime.name: runtime for runtime in runtimes}
    return (fit(artifact, board, by_name[board.runtime], patient=False) for board in boards)


def fit(artifact: Artifact, board: Board, runtime: Runtime, patient: bool = True) -> Fit:
    """Hold a file against one board with one runtime; `patient`: Vela may take its seconds."""
    asked = scratch(artifact.works, runtime, board)
    arena = None if artifact.arena_bytes is None else artifact.arena_bytes + asked.bytes
    return Fit(
        board=board,
        runtime=runtime,
        problems=troubles(artifact, runtime, board),
        flash_bytes=artifact.flash_bytes,
        flash_room=board.model_flash_bytes,
        arena_bytes=arena,
        arena_room=board.model_ram_bytes,
        latency=latency_of(artifact.content, artifact.works, Device(runtime, board), arena, patient),
    )
