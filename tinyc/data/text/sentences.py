"""Sentences and their labels out of a .csv, a .tsv or a .jsonl in UTF-8; every refusal names the line.

A .jsonl has one object a line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinyc.core import limits
from tinyc.core.errors import UserError, obeyed_by_none, quoted
from tinyc.core.scope import beyond
from tinyc.data import rows, tables
from tinyc.data.raw import Raw
from tinyc.data.text import strings

PARTS = ("train", "val", "test")
Line = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Columns:
    """The names of the columns; without `split` the sentences are one part, to be cut."""

    text: str
    label: str
    split: str | None = None
    groups: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.text, self.label, *((self.split,) if self.split is not None else ()), *self.groups)


@dataclass(frozen=True)
class Example:
    """One row of the file."""

    text: str
    label: str
    part: str
    groups: tuple[str, ...] = ()


def read_sentences(path: Path, columns: Columns) -> Raw:
    """Read sentences as objects of type str, and labels as class names.

    Raises:
        UserError: the file is not UTF-8, a row is ragged or broken, a sentence or a label is missing; names the line.
    """
    lines = json_lines(path) if path.suffix.lower() == ".jsonl" else read_table(path, columns)
    found = [example(f"{path}:{number}", row, columns) for number, row in lines]
    if not found:
        raise UserError(str(path), "has no sentences", "add some")
    parts = ("all",) if columns.split is None else parted(path, found, columns.split)
    labels = [each.label for each in found]
    names = sorted(set(labels), key=rows.order(labels))
    index = {name: number for number, name in enumerate(names)}
    return Raw(
        obeyed_by_none(str(path)),
        {part: np.array([each.text for each in found if each.part == part], object) for part in parts},
        {part: np.array([index[each.label] for each in found if each.part == part], np.int64) for part in parts},
        tuple(names),
        groups={
            part: {
                name: strings.column(f"{path}: {name}", [each.groups[place] for each in found if each.part == part])
                for place, name in enumerate(columns.groups)
            }
            for part in parts
        },
    )


def read_table(path: Path, columns: Columns) -> Iterator[Line]:
    """Read the rows below the header of a .csv or .tsv."""
    mark = tables.TAB if path.suffix.lower() == ".tsv" else tables.COMMA
    found = tables.rows(path, mark)
    header = tables.header(path, found, mark, columns.names)
    for line, cells in found:
        tables.require_cells(f"{path}:{line}", cells, header, mark)
        yield line, dict(zip(header, cells, strict=True))


def json_lines(path: Path) -> Iterator[Line]:
    """Read one object a line; blank lines are none."""
    for number, line in enumerate(tables.lines(path, newline=None), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line, object_pairs_hook=partial(table_of, where))
        except (ValueError, RecursionError) as error:
            remedy = 'write one object a line: {"text": "...", "label": "..."}'
            raise UserError(where, f"is not JSON: {error}", remedy) from error
        if not isinstance(row, dict):
            raise UserError(where, f"holds {type(row).__name__}, not an object", "write one object a line")
        if len(row) > limits.COLUMNS:
            raise tables.too_wide(where, len(row))
        yield number, row


def table_of(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON; of a key that stands twice, nobody knows which value is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        doubled = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise UserError(where, f"has the key {quoted(doubled)} twice", "give each key once")
    return found


def example(where: str, row: Mapping[str, Any], columns: Columns) -> Example:
    """Take a sentence, its label and its part out of a row."""
    absent = next((name for name in columns.names if name not in row), None)
    if absent is not None:
        raise tables.missing(where, absent, list(row))
    text = strings.sentence(where, row[columns.text])
    groups = tuple(tables.group(where, name, label(where, row[name], name, "value")) for name in columns.groups)
    if columns.split is None:
        return Example(text, label(where, row[columns.label], columns.label), "all", groups)
    part = row[columns.split]
    if not isinstance(part, str) or part.strip() not in PARTS:
        problem = f"has {quoted(part)} in {columns.split!r}"
        raise UserError(where, problem, f"say {', '.join(PARTS[:-1])} or {PARTS[-1]} in each row")
    return Example(text, label(where, row[columns.label], columns.label), part.strip(), groups)


def label(where: str, value: object, column: str, what: str = "label") -> str:
    """Read a label, or another word of a row: text, a whole number, or true and false."""
    if value is None or value == "" or (isinstance(value, str) and not value.strip()):
        raise UserError(where, f"has no {what} in {column!r}", "fill it, or remove the row")
    if isinstance(value, bool | int):
        return json.dumps(value)
    if not isinstance(value, str):
        raise beyond(where, f"has {quoted(value)} in {column!r}, not a class: neither a name nor a whole number")
    return strings.sentence(where, value, what)


def parted(path: Path, found: Sequence[Example], column: str) -> tuple[str, ...]:
    """Return the parts that a file has: train and test, and perhaps val."""
    parts = tuple(part for part in PARTS if any(each.part == part for each in found))
    for part in ("train", "test"):
        if part not in parts:
            raise UserError(str(path), f"has no row with {part!r} in {column!r}", "give train and test, perhaps val")
    return parts
