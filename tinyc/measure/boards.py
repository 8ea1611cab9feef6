"""Which board a measurement may be kept for: one that runs Linux, of the processor that was measured."""

from __future__ import annotations

from tinyc.core.errors import UserError
from tinyc.devices.board import Board
from tinyc.spec import device_files

LINUX = "linux"
ARMV8 = ("aarch64", "arm64", "armv7l", "armv8l")
ARCHITECTURES = {"arm1176": ("armv6l",), "cortex-a53": ARMV8, "cortex-a72": ARMV8}
"""What `platform.machine` says on a board of each core, by the system that runs there."""


def require_board(name: str, architecture: str) -> None:
    """Check that a machine of this architecture (as `platform.machine` calls it) can be this board.

    Raises:
        UserError: there is no such board, it runs no Linux, or has another processor.
    """
    board = device_files.known(Board, name, "--board")
    if LINUX not in board.runtimes:
        problem = f"{name} does not run Linux, and no figure of another machine is a figure of it"
        raise UserError("--board", problem, "leave --board out: the figures are shown, and not kept")
    if architecture.lower() not in ARCHITECTURES.get(board.core, ()):
        problem = f"{name} has a {board.core}, and this was measured on {architecture}"
        raise UserError("--board", problem, "measure on the board itself; bench.py runs there alone (--script)")
