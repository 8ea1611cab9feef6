"""docs/boards.md and docs/runtimes.md, written from the data: `make devices`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tinyc.devices.board import Board
from tinyc.devices.runtime import Runtime
from tinyc.report import device_text
from tinyc.report.markdown import escape, table
from tinyc.report.tables import Cells
from tinyc.spec import device_files

DOCS = Path(__file__).parents[2] / "docs"
BOARDS = """# Boards

`[device] board = "NAME"` in a recipe names one of these; `tinyc boards NAME` shows the same in a terminal, and
`tinyc fit model.tflite` holds a file against all of them. What a model may have of flash and RAM is what a typical
firmware leaves; it becomes the recipe's bound on `flash` and `arena` where the recipe has none of its own. A dash: no
source was found, and nothing is decided by it. Nothing here was measured on a board by tinyc.

A board of your own is a file of the same keys beside the recipe: copy one from `tinyc/devices/boards/` and name it,
`board = "mine.toml"`. This page is written by `make devices`.
"""
RUNTIMES = """# Runtimes

TensorFlow Lite Micro reaches boards through ports that are years apart: what one computes, another refuses or computes
wrongly without an error. `[device] runtime = "NAME"` in a recipe names one (a board has one by default);
`tinyc runtimes NAME` shows the same in a terminal. Everything was read in the sources that are named, at the version
that is named; a newer version may do more. A dash: no source was found, and nothing is decided by it.

A runtime of your own is a file of the same keys beside the recipe: `runtime = "mine.toml"`. This page is written by
`make devices`.
"""


def pages() -> dict[str, str]:
    """Write both pages, by file name."""
    boards, runtimes = device_files.everything(Board), device_files.everything(Runtime)
    return {
        "boards.md": page(BOARDS, board_lines(boards)),
        "runtimes.md": page(RUNTIMES, runtime_lines(runtimes)),
    }


def page(intro: str, lines: Iterator[str]) -> str:
    return intro + "\n" + "\n".join(lines).rstrip() + "\n"


def board_lines(boards: Sequence[Board]) -> Iterator[str]:
    header, *rows = device_text.board_rows(boards)
    yield from table(Cells(tuple(header), tuple(rows), frozenset({2, 3})))
    for board in boards:
        yield from ("", f"## {board.name}", "", f"{escape(board.title)}.", "")
        yield from table(figures(board))


def runtime_lines(runtimes: Sequence[Runtime]) -> Iterator[str]:
    header, *rows = device_text.runtime_rows(runtimes)
    yield from table(Cells(tuple(header), tuple(rows), frozenset({2})))
    yield from ("", "## Operators that not every runtime has", "")
    yield from table(differing(runtimes))
    for runtime in runtimes:
        yield from ("", f"## {runtime.name}", "", f"{escape(runtime.title)}.", "")
        yield from table(figures(runtime))
        for heading, found in (("Scratch memory", runtime.scratch), ("Wrong results on record", runtime.faults)):
            if found:
                yield from ("", f"{heading}:", "", *(f"- {escape(device_text.value(each))}" for each in found))


def figures(each: Board | Runtime) -> Cells:
    """Every figure with its source."""
    rows = [
        (device_text.label(key), device_text.figure(key, getattr(each, key)), each.source(key) or "")
        for key in device_text.shown_keys(each)
    ]
    return Cells(("", "", "source"), tuple(rows))


def differing(runtimes: Sequence[Runtime]) -> Cells:
    """Operators that some runtimes lack, with those that have them."""
    names = sorted({name for runtime in runtimes for name in runtime.operators})
    rows = []
    for name in names:
        lacking = [runtime.name for runtime in runtimes if name not in runtime.operators]
        if lacking:
            having = [runtime.name for runtime in runtimes if name in runtime.operators]
            rows.append((name, ", ".join(having), ", ".join(lacking)))
    return Cells(("operator", "in", "not in"), tuple(rows))


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text)
