"""Sentences and their labels out of a .csv, a .tsv or a .jsonl in UTF-8; every refusal names the line.

A .csv may quote its cells; a .tsv is as its lines are, a quotation mark in it is text. A .jsonl has one object a line.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyc.data import rows, strings
from tinyc.data.raw import Raw
from tinyc.errors import UserError
from tinyc.scope import beyond

PARTS = ("train", "val", "test")
Line = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Columns:
    """The names of the columns; without `split` the sentences are one part, to be cut."""

    text: str
    label: str
    split: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Example:
    """One row of the file."""

    text: str
    label: str
    part: str
    groups: tuple[str, ...] = ()


def read(path: Path, columns: Columns) -> Raw:
    """Read sentences as objects of type str, and labels as class names.

    Raises:
        UserError: the file is not UTF-8, a row is ragged or broken, a sentence or a label is missing; names the line.
    """
    content = decoded(path)
    lines = json_lines(path, content) if path.suffix.lower() == ".jsonl" else table(path, content, columns)
    found = [example(f"{path}:{number}", row, columns) for number, row in lines]
    if not found:
        raise UserError(str(path), "has no sentences", "add some")
    parts = ("all",) if columns.split is None else parted(path, found, columns.split)
    labels = [each.label for each in found]
    names = sorted(set(labels), key=rows.order(labels))
    index = {name: number for number, name in enumerate(names)}
    return Raw(
        str(path),
        {part: np.array([each.text for each in found if each.part == part], object) for part in parts},
        {part: np.array([index[each.label] for each in found if each.part == part], np.int64) for part in parts},
        tuple(names),
        groups={
            part: {
                name: np.array([each.groups[place] for each in found if each.part == part], np.str_)
                for place, name in enumerate(columns.groups)
            }
            for part in parts
        },
    )


def decoded(path: Path) -> str:
    """Read a file as UTF-8.

    Raises:
        UserError: a byte is not; names its line.
    """
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"is not UTF-8: byte 0x{content[error.start]:02x}, {error.reason}"
        raise UserError(f"{path}:{line}", problem, f"save it as UTF-8: iconv -f latin1 -t utf-8 {path.name}") from error


def table(path: Path, content: str, columns: Columns) -> Iterator[Line]:
    """Read the rows below the header of a .csv or .tsv."""
    is_tabbed = path.suffix.lower() == ".tsv"
    lines = io.StringIO(content, newline="")
    reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if is_tabbed else csv.reader(lines, strict=True)
    line = 1
    try:
        header = [cell.strip() for cell in next(reader, [])]
        complete(path, header, columns, "\t" if is_tabbed else ",")
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                yield line, row_of(f"{path}:{line}", header, cells, is_tabbed)
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}:{line}", f"cannot be read: {error}", "mend the quotation marks of this row") from error


def complete(path: Path, header: Sequence[str], columns: Columns, mark: str) -> None:
    """Check that the header has every column once."""
    doubled = next((name for name in header if header.count(name) > 1), None)
    if doubled is not None:
        raise UserError(f"{path}:1", f"has the column {doubled!r} twice", "give each column its own name")
    for name in (columns.text, columns.label, columns.split, *columns.groups):
        if name is not None and name not in header:
            others = {",": ";\t", "\t": ",;"}[mark]
            if len(header) == 1 and any(other in header[0] for other in others):
                said = "tabs" if mark == "\t" else "commas"
                raise UserError(f"{path}:1", f"has no column {name!r}", f"the cells must be parted by {said}")
            raise missing(f"{path}:1", name, header)


def row_of(where: str, header: Sequence[str], cells: Sequence[str], is_tabbed: bool) -> Mapping[str, str]:
    if len(cells) != len(header):
        remedy = "mend the row: a sentence must hold no tab" if is_tabbed else "mend the row, or quote its commas"
        raise UserError(where, f"has {len(cells)} cells, the header {len(header)}", remedy)
    return dict(zip(header, cells, strict=True))


def json_lines(path: Path, content: str) -> Iterator[Line]:
    """Read one object a line; blank lines are none."""
    for number, line in enumerate(io.StringIO(content, newline=None), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            remedy = 'write one object a line: {"text": "...", "label": "..."}'
            raise UserError(f"{path}:{number}", f"is no JSON: {error}", remedy) from error
        if not isinstance(row, dict):
            raise UserError(f"{path}:{number}", f"holds {type(row).__name__}, not an object", "write one object a line")
        yield number, row


def example(where: str, row: Mapping[str, Any], columns: Columns) -> Example:
    """Take a sentence, its label and its part out of a row."""
    for name in (columns.text, columns.label, columns.split, *columns.groups):
        if name is not None and name not in row:
            raise missing(where, name, list(row))
    text = strings.sentence(where, row[columns.text])
    groups = tuple(label(where, row[name], name, "value") for name in columns.groups)
    if columns.split is None:
        return Example(text, label(where, row[columns.label], columns.label), "all", groups)
    part = row[columns.split]
    if not isinstance(part, str) or part.strip() not in PARTS:
        problem = f"has {part!r} in {columns.split!r}"
        raise UserError(where, problem, f"say {', '.join(PARTS[:-1])} or {PARTS[-1]} in each row")
    return Example(text, label(where, row[columns.label], columns.label), part.strip(), groups)


def label(where: str, value: object, column: str, what: str = "label") -> str:
    """Read a label, or another word of a row: text, a whole number, or true and false."""
    if value is None or value == "" or (isinstance(value, str) and not value.strip()):
        raise UserError(where, f"has no {what} in {column!r}", "fill it, or remove the row")
    if isinstance(value, bool | int):
        return json.dumps(value)
    if not isinstance(value, str):
        raise beyond(where, f"has {value!r} in {column!r}, not a class: neither a name nor a whole number")
    return strings.sentence(where, value, what)


def parted(path: Path, found: Sequence[Example], column: str) -> tuple[str, ...]:
    """The parts that a file has: train and test, and perhaps val."""
    parts = tuple(part for part in PARTS if any(each.part == part for each in found))
    for part in ("train", "test"):
        if part not in parts:
            raise UserError(str(path), f"has no row with {part!r} in {column!r}", "give train and test, perhaps val")
    return parts


def missing(where: str, name: str, columns: Sequence[str]) -> UserError:
    """Say that a column is not there, and which may be meant."""
    close = difflib.get_close_matches(name, columns, n=1)
    has = "the columns are " + ", ".join(map(repr, columns[:20])) if columns else "it has no columns"
    return UserError(where, f"has no column {name!r}", f"did you mean {close[0]!r}?" if close else has)
