"""`tinyc bench`: how long a .tflite takes on this machine, or on another that `bench.py` ran on."""

from __future__ import annotations

import filecmp
import hashlib
import json
from pathlib import Path
from typing import Any

from tinyc.core import files, limits, streams
from tinyc.core.errors import MachineError, UserError
from tinyc.measure import evidence
from tinyc.measure.bench_bounds import judge
from tinyc.measure.boards import require_board
from tinyc.measure.timings import Timings, read_timings
from tinyc.report.bench_text import text
from tinyc.spec.bounds import Check
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run import bench as script
from tinyc.tflite.run.timing import SCRIPT, Wish, time_file


def bench(
    file: Path,
    wish: dict[str, Any],
    fps: float | None,
    latency: float | None,
    board: str | None,
    measured: Path | None,
    as_json: bool,
) -> int:
    """Measure a file here, or read what was measured elsewhere; 0 where the bounds are met, else 1.

    Args:
        wish: the fields of `Wish` that were given.
        fps, latency: the least frames a second, and the most seconds.
        board: keep the figures as those of this board.
        measured: what `bench.py` wrote on another machine.

    Raises:
        UserError: the file cannot be measured, the measurement is of another, or the board is none that it can be.
        MachineError: no interpreter is installed, or the cache cannot be written to.
    """
    content = files.read(file, limits.NETWORK_BYTES)
    sha256, described = hashlib.sha256(content).hexdigest(), describe(content, str(file))
    if measured is not None:
        timings = read_timings(files.read_text(measured, limits.MEASUREMENT_BYTES), str(measured))
    else:
        if board is not None:
            require_board(board, script.machine()["architecture"])
        streams.note("measuring: some seconds for each number of threads")
        timings = read_timings(time_file(file, described, Wish(**wish)), str(SCRIPT))
    require_same(timings, sha256, file, measured)
    if board is not None:
        evidence.store(timings, board)
    checks = judge(timings, fps, latency)
    streams.give(table(timings, checks, board) if as_json else shown(file, timings, checks, board), as_json)
    missed = [check.metric for check in checks if not check.met]
    code, why = (1, f"bound missed: {', '.join(missed)}") if missed else (0, "bounds met" if checks else "measured")
    streams.note(f"tinyc: exit {code} ({why})")
    return code


def require_same(timings: Timings, sha256: str, file: Path, measured: Path | None) -> None:
    """Check that a measurement is of this file.

    Raises:
        UserError: it is of another.
    """
    if timings.sha256 != sha256:
        where = str(measured or file)
        problem = f"was measured with the sha256 {timings.sha256[:12]}..., and {file} has {sha256[:12]}..."
        raise UserError(where, problem, "measure this very file")


def table(timings: Timings, checks: list[Check], board: str | None) -> str:
    """Write all of it as JSON."""
    found = {**timings.model_dump(mode="json"), "fastest_threads": timings.fastest.threads}
    return json.dumps({**found, "board": board, "checks": [check.to_json() for check in checks]}, indent=1)


def shown(file: Path, timings: Timings, checks: list[Check], board: str | None) -> str:
    """Write all of it for people."""
    kept = "" if board is None else f"\n  kept as a measurement of {board}"
    return text(str(file), timings, checks) + kept


def write_script(path: Path) -> None:
    """Write the script that measures without tinyc.

    Raises:
        UserError: another file is there.
        MachineError: it cannot be written.
    """
    if files.exists(path) and not filecmp.cmp(path, SCRIPT, shallow=False):
        raise UserError(str(path), "is there already, and is something else", "give another place, or move it away")
    try:
        path.write_bytes(SCRIPT.read_bytes())
    except OSError as error:
        raise MachineError(str(path), f"cannot be written: {error.strerror}", "choose another place") from error
    streams.show(f"{path}: copy it beside the .tflite, then: python {path.name} model.tflite > measured.json")
