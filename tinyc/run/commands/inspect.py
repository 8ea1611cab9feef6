"""`tinyc inspect`: what any .tflite weighs, what runs it, where the bytes are, and which of them could go."""

from __future__ import annotations

import json
from pathlib import Path

from tinyc.analysis import inspection
from tinyc.core import streams
from tinyc.core.errors import MachineError, UserError
from tinyc.report.inspection_page import page
from tinyc.report.inspection_text import text
from tinyc.report.lifetime_picture import svg


def inspect(path: Path, as_json: bool, html: Path | None = None, picture: Path | None = None) -> None:
    """Show a file as text or JSON, and as a page or a picture of its arena where asked.

    Raises:
        UserError: the file is missing or damaged, or a page or picture would take the place of another.
        MachineError: a page or picture cannot be written.
    """
    found = inspection.inspect(path)
    refuse_same(path, html, picture)
    if html:
        write_page(html, page(found))
    if picture:
        write_page(picture, svg(found.arena, found.described, found.arena_bytes))
    if as_json:
        streams.result(json.dumps(inspection.inspection_table(found), indent=1))
    else:
        streams.page(text(found))


def refuse_same(path: Path, html: Path | None, picture: Path | None) -> None:
    """Refuse to write over the file itself, or two pages into one.

    Raises:
        UserError: two of the three are the same place.
    """
    taken = {path.resolve()}
    for option, place in (("--html", html), ("--picture", picture)):
        if place is not None and place.resolve() in taken:
            raise UserError(
                f"{option} {place}", "would be written over another file of this call", "choose another place"
            )
        taken |= {place.resolve()} if place else set()


def write_page(path: Path, text: str) -> None:
    """Write a page or a picture.

    Raises:
        MachineError: the disk is full, or the folder missing or closed.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
        raise MachineError(str(path), problem, "choose another place, or make room") from error
