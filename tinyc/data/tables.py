"""Rows of a .csv or .tsv and lines of a .jsonl, one at a time: what is not text, or too long, is refused as it is met.

A .csv may quote its cells; a .tsv is as its lines are, a quotation mark in it is text.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinyc.core import files, limits
from tinyc.core.errors import UserError, quoted
from tinyc.core.spelling import nearest

Row = tuple[int, list[str]]
COMMA, TAB = ",", "\t"
BEGIN_OF_ESCAPED = 0xDC00
"""A byte that is not UTF-8 is decoded to this and its value."""


def rows(path: Path, mark: str) -> Iterator[Row]:
    """Give the header, then every row that is not blank: the line that it begins on, and its cells.

    Raises:
        UserError: the file is not text, a quotation mark is not closed, or a row is too long; names the line.
    """
    begun, held = 1, 0

    def counted() -> Iterator[str]:
        nonlocal held
        for line in lines(path, newline=""):
            held += len(line)
            if held > limits.ROW_CHARACTERS:
                raise too_long(f"{path}:{begun}", "row", limits.ROW_CHARACTERS)
            yield line

    reader = csv.reader(counted(), delimiter=mark, **({"quoting": csv.QUOTE_NONE} if mark == TAB else {"strict": True}))
    csv.field_size_limit(limits.CELL_CHARACTERS)
    try:
        for cells in reader:
            if len(cells) > limits.COLUMNS:
                raise too_wide(f"{path}:{begun}", len(cells))
            if cells or begun == 1:
                yield begun, cells
            begun, held = reader.line_num + 1, 0
    except csv.Error as error:
        if "field limit" in str(error):
            raise too_long(f"{path}:{begun}", "cell", limits.CELL_CHARACTERS) from error
        raise UserError(
            f"{path}:{begun}", f"cannot be read: {error}", "correct the quotation marks of this row"
        ) from error


def lines(path: Path, newline: str | None) -> Iterator[str]:
    """Give the lines of a text in UTF-8, their ends kept; `newline` is as `open` takes it.

    Raises:
        UserError: a line is too long, or holds a byte that is not text; names the line.
    """
    with files.opened(path, limits.DATA_BYTES) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline=newline)
        number = 0
        while line := text.readline(limits.ROW_CHARACTERS + 1):
            number += 1
            if len(line) > limits.ROW_CHARACTERS:
                raise too_long(f"{path}:{number}", "line", limits.ROW_CHARACTERS)
            require_text(f"{path}:{number}", path.name, line)
            yield line


def require_text(where: str, name: str, line: str) -> None:
    """Refuse bytes that are not UTF-8, and NUL, which no text has."""
    try:
        line.encode()
    except UnicodeEncodeError as error:
        problem = f"is not UTF-8: byte 0x{ord(line[error.start]) - BEGIN_OF_ESCAPED:02x}"
        raise UserError(where, problem, f"save it as UTF-8: iconv -f latin1 -t utf-8 {name}") from error
    if "\0" in line:
        raise UserError(where, "holds a NUL byte, so it is not text in UTF-8", "save it as UTF-8")


def too_long(where: str, what: str, most: int) -> UserError:
    return UserError(
        where,
        f"has a {what} of more than {most:,} characters",
        "correct the row: perhaps a quotation mark is not closed",
    )


def too_wide(where: str, count: int) -> UserError:
    remedy = 'give fewer, or read the file in a function of yours: load = "data.py:function"'
    return UserError(where, f"has {count:,} columns; at most {limits.COLUMNS:,} are read", remedy)


def header(path: Path, table: Iterator[Row], mark: str, needed: Sequence[str]) -> list[str]:
    """Take the header off the rows, and check that it has the needed columns, each of its columns once.

    Raises:
        UserError: a name stands twice, or is missing.
    """
    names = [cell.strip() for cell in next(table, (1, []))[1]]
    doubled = next((name for name, count in Counter(names).items() if count > 1), None)
    if doubled is not None:
        raise UserError(f"{path}:1", f"has the column {quoted(doubled)} twice", "give each column its own name")
    known = set(names)
    absent = next((name for name in needed if name not in known), None)
    if absent is None:
        return names
    others = {COMMA: ";\t", TAB: ",;"}[mark]
    if len(names) == 1 and any(other in names[0] for other in others):
        said = "tabs" if mark == TAB else "commas"
        raise UserError(f"{path}:1", f"has no column {absent!r}", f"separate the cells by {said}")
    raise missing(f"{path}:1", absent, names)


def missing(where: str, name: str, columns: Sequence[str]) -> UserError:
    """Say that a column is not there, and which may be meant."""
    close = nearest(name, columns)
    has = "the columns are " + ", ".join(map(quoted, columns[:20])) if columns else "it has no columns"
    return UserError(where, f"has no column {name!r}", f"did you mean {quoted(close[0])}?" if close else has)


def require_cells(where: str, cells: Sequence[str], names: Sequence[str], mark: str) -> None:
    """Refuse a row of more or fewer cells than the header."""
    if len(cells) != len(names):
        remedy = (
            "correct the row: a sentence must not hold a tab" if mark == TAB else "correct the row, or quote its commas"
        )
        raise UserError(where, f"has {len(cells)} cells, the header {len(names)}", remedy)


def group(where: str, name: str, value: str) -> str:
    """Check the value of a group, such as a subject."""
    if len(value) > limits.GROUP_CHARACTERS:
        problem = f"has {len(value):,} characters in {name!r}; a group's value has at most {limits.GROUP_CHARACTERS:,}"
        raise UserError(where, problem, "give short names")
    return value
