"""The files of boards and runtimes: those that tinyc has, and a user's own beside the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from tinyc import devices
from tinyc.core.errors import UserError
from tinyc.core.spelling import nearest
from tinyc.devices.board import Board
from tinyc.devices.runtime import Runtime
from tinyc.devices.table import Sourced
from tinyc.spec import document, gallery
from tinyc.spec.document import Document
from tinyc.spec.validation import validate

Kind = TypeVar("Kind", Board, Runtime)
FOLDERS: dict[type[Sourced], str] = {Board: "boards", Runtime: "runtimes"}
SUFFIX = ".toml"


def folder(kind: type[Sourced]) -> Path:
    """Return the folder of those that tinyc has."""
    return Path(devices.__file__).parent / FOLDERS[kind]


def names(kind: type[Sourced]) -> list[str]:
    """List those that tinyc has."""
    return sorted(path.stem for path in folder(kind).glob(f"*{SUFFIX}"))


def everything(kind: type[Kind]) -> tuple[Kind, ...]:
    """Read all that tinyc has, in the order of their names."""
    return tuple(shipped(kind, name) for name in names(kind))


def offered(board: Board | None) -> tuple[Runtime, ...]:
    """Read the runtimes of tinyc that a board is known to run; all, where no board is named."""
    return tuple(shipped(Runtime, name) for name in names(Runtime) if board is None or name in board.runtimes)


def shipped(kind: type[Kind], name: str) -> Kind:
    """Read one that tinyc has, by its name."""
    return read(kind, folder(kind) / f"{name}{SUFFIX}")


def read(kind: type[Kind], path: Path) -> Kind:
    """Read a file of a board or a runtime.

    Raises:
        UserError: it is no such file; with line and key path.
    """
    table, lines = document.parse(path, str(path))
    found: Kind = validate(kind, table, Document(path, table, (lines,)), ())
    return found


def known(kind: type[Kind], name: str, where: str) -> Kind:
    """Find one that tinyc has.

    Raises:
        UserError: there is none of this name.
    """
    if name in names(kind):
        return shipped(kind, name)
    what, close = FOLDERS[kind][:-1], nearest(name, names(kind))
    hint = f"did you mean {close[0]!r}?" if close else f"`tinyc {FOLDERS[kind]}` lists them"
    raise UserError(where, f"unknown {what} {name!r}", f"{hint}; or give a {SUFFIX} file of your own")


def named(kind: type[Kind], text: str, beside: Path, where: str) -> Kind:
    """Find what a recipe or a command line names: one that tinyc has, or a file beside the recipe.

    Args:
        beside: the folder in which a file is looked for first.
        where: the place that names it, for messages.

    Raises:
        UserError: there is neither, or the file does not fit.
    """
    if text.endswith(SUFFIX):
        own = read(kind, gallery.find(text, beside, where))
        if own.name in names(kind):
            raise UserError(where, f"{text} takes the name {own.name!r} of one that tinyc has", "give it another name")
        return own
    return known(kind, text, where)
