"""Which board a measurement may be kept for: one that runs Linux, of the processor that was measured."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tinyc import devices
from tinyc.core.errors import UserError, quoted
from tinyc.core.spelling import nearest

FOLDER = Path(devices.__file__).parent / "boards"
PC = ("x86_64", "amd64", "i386", "i686")


def names(folder: Path | None = None) -> tuple[str, ...]:
    """List the boards that tinyc knows, those of `FOLDER` where no other is given."""
    return tuple(sorted(path.stem for path in (folder or FOLDER).glob("*.toml")))


def require_board(board: str, architecture: str) -> None:
    """Check that a machine of this architecture (as `platform.machine` calls it) can be this board.

    Raises:
        UserError: there is no such board, it runs no Linux, or has another processor.
    """
    if board not in names():
        close = nearest(board, names())
        remedy = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names())}"
        raise UserError("--board", f"there is no board {quoted(board)}", remedy)
    table: dict[str, Any] = tomllib.loads((FOLDER / f"{board}.toml").read_text())
    if "linux" not in table["runtimes"]:
        problem = f"{board} does not run Linux, and no figure of another machine is a figure of it"
        raise UserError("--board", problem, "leave --board out: the figures are shown, and not kept")
    if architecture.lower() in PC:
        problem = f"{board} has a {table['core']}, and this was measured on {architecture}"
        raise UserError("--board", problem, "measure on the board itself; bench.py runs there alone (--script)")
