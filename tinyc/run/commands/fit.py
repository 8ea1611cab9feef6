"""`tinyc fit`: which boards and runtimes run a .tflite, by how much it fits, and what is in the way."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinyc.analysis import fitting
from tinyc.analysis.fitting import Artifact, Fit
from tinyc.core import streams
from tinyc.devices.board import Board
from tinyc.devices.fitting import Problem
from tinyc.devices.runtime import Runtime
from tinyc.report import fit_text
from tinyc.spec import device_files


def fit(path: Path, board: str | None, as_json: bool) -> int:
    """Hold a file against all boards and runtimes, or one board with its runtimes; 1 where none runs and holds it."""
    runtimes = device_files.everything(Runtime)
    one = None
    if board is None:
        artifact = fitting.read(path)
        found = list(fitting.on_boards(artifact, device_files.everything(Board), runtimes))
    else:
        one = device_files.named(Board, board, Path.cwd(), "--board")
        named = [device_files.named(Runtime, name, Path.cwd(), f"--board {board}: runtimes") for name in one.runtimes]
        artifact = fitting.read(path)
        found = [fitting.fit(artifact, one, runtime) for runtime in named]
        runtimes = tuple(named)
    refused = fitting.on_runtimes(artifact, runtimes, one)
    if as_json:
        streams.result(json.dumps(table(artifact, refused, found), indent=1))
    else:
        streams.page(fit_text.text(artifact, runtimes, refused, found))
    return 0 if any(each.runs and each.holds is not False for each in found) else 1


def table(artifact: Artifact, refused: dict[str, tuple[Problem, ...]], found: list[Fit]) -> dict[str, Any]:
    """Give everything as JSON values."""
    return {
        "file": str(artifact.path),
        "flash_bytes": artifact.flash_bytes,
        "arena_bytes_on_host": artifact.arena_bytes,
        "arena_unmeasured": artifact.unmeasured,
        "runtimes": {name: [asdict(each) for each in problems] for name, problems in refused.items()},
        "boards": [fitted(each) for each in found],
    }


def fitted(each: Fit) -> dict[str, Any]:
    """Give one board with one runtime."""
    return {
        "board": each.board.name,
        "runtime": each.runtime.name,
        "runs": each.runs,
        "holds": each.holds,
        "problems": [asdict(problem) for problem in each.problems],
        "flash_bytes": each.flash_bytes,
        "flash_room": each.flash_room,
        "arena_bytes": each.arena_bytes,
        "arena_room": each.arena_room,
        "latency": asdict(each.latency),
    }
