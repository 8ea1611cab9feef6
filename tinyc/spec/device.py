"""The section [device]: the board and the runtime that an artifact is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, Field, model_validator

from tinyc.core.errors import UserError
from tinyc.devices.board import Board
from tinyc.devices.runtime import Runtime
from tinyc.spec import device_files, origin
from tinyc.spec.document import Document
from tinyc.spec.validation import validate


class DeviceSpec(BaseModel, frozen=True, extra="forbid"):
    """What a recipe says of the device."""

    board: str | None = Field(
        None, min_length=1, description="a board of `tinyc boards`, or a .toml file of the same keys"
    )
    runtime: str | None = Field(
        None, min_length=1, description="a runtime of `tinyc runtimes`, or a .toml file; by default the board's"
    )

    @model_validator(mode="after")
    def names_one(self) -> Self:
        """Refuse an empty section."""
        if self.board is None and self.runtime is None:
            raise ValueError('names neither a board nor a runtime; write board = "arduino-nano-33-ble"')
        return self


@dataclass(frozen=True)
class Device:
    """What an artifact is for; `board` is None where the recipe names a runtime alone."""

    runtime: Runtime
    board: Board | None = None


def device_of(doc: Document) -> Device | None:
    """Read the section, and the files of what it names.

    Raises:
        UserError: a name that nobody knows, a file that does not fit, or a runtime that the board is not known to run.
    """
    if "device" not in doc.table:
        return None
    spec = validate(DeviceSpec, doc.table["device"], doc, ("device",))
    beside, board = origin.recipe_file(doc.path).parent, None
    if spec.board:
        board = device_files.named(Board, spec.board, beside, doc.where(("device", "board")))
    key = "runtime" if spec.runtime else "board"
    wanted = spec.runtime or (board.runtime if board else "")
    runtime = device_files.named(Runtime, wanted, beside, doc.where(("device", key)))
    if board and runtime.name not in board.runtimes:
        problem = f"{runtime.name} is not known to run on {board.name}"
        raise UserError(doc.where(("device", "runtime")), problem, f"it runs {', '.join(board.runtimes)}")
    return Device(runtime, board)
