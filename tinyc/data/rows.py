"""A .csv with a header: one column holds the label, all others are numbers."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError, obeyed_by_none, quoted
from tinyc.core.scope import beyond
from tinyc.data import room, tables
from tinyc.data.raw import Raw
from tinyc.data.tables import Row
from tinyc.data.text import strings

INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
VALUE_BYTES = 8


def read_features(path: Path, label: str, recording: str | None = None, groups: Sequence[str] = ()) -> Raw:
    """Read features as float64, (examples, features), labels as class names, and columns that are not features.

    Args:
        path: the file.
        label: the label's column.
        recording: the column that says which recording a row belongs to; it becomes the group "recording".
        groups: further columns that become groups.

    Raises:
        UserError: no such column, a ragged row, or a cell that is not a finite number; names the line.
    """
    named = {name: name for name in groups} | ({"recording": recording} if recording is not None else {})
    table = tables.rows(path, tables.COMMA)
    header = tables.header(path, table, tables.COMMA, [label, *named.values()])
    places = {name: place for place, name in enumerate(header)}
    words = [places[name] for name in dict.fromkeys((label, *named.values()))]
    features = sorted(set(range(len(header))) - set(words))
    if not features:
        raise UserError(f"{path}:1", "has no column of features beside label and groups", "add the features")
    values, texts = array("d"), [list[str]() for _ in words]
    for line, cells in checked(path, header, words, table):
        values.extend([number(path, line, header[place], cells[place]) for place in features])
        for place, column in zip(words, texts, strict=True):
            column.append(cells[place].strip())
        room.require(f"{path}:{line}", len(values) * VALUE_BYTES)
    if not values:
        raise UserError(str(path), "has no rows below its header", "add some")
    x = np.frombuffer(values, np.float64).reshape(-1, len(features))
    columns = {
        group: strings.column(f"{path}: column {name!r}", texts[words.index(places[name])])
        for group, name in named.items()
    }
    return arranged(path, label, x, texts[0], columns)


def arranged(path: Path, label: str, x: NDArray[Any], labels: list[str], groups: Mapping[str, NDArray[Any]]) -> Raw:
    """Assign a number to each label, and give everything as it was read."""
    refuse_amounts(f"{path}: column {label!r}", labels)
    names = sorted(set(labels), key=order(labels))
    index = {name: number for number, name in enumerate(names)}
    y = np.array([index[name] for name in labels], np.int64)
    return Raw(obeyed_by_none(str(path)), {"all": x}, {"all": y}, tuple(names), groups={"all": groups})


def checked(path: Path, header: Sequence[str], words: Sequence[int], table: Iterator[Row]) -> Iterator[Row]:
    """Give the rows that have all their cells; the label stands first in `words`, the groups behind it."""
    for line, cells in table:
        where = f"{path}:{line}"
        tables.require_cells(where, cells, header, tables.COMMA)
        empty = next((place for place in words if not cells[place].strip()), None)
        if empty is not None:
            kind = "label" if empty == words[0] else "value"
            raise UserError(where, f"has no {kind} in {header[empty]!r}", "fill the cell, or remove the row")
        for place in words[1:]:
            tables.group(where, header[place], cells[place].strip())
        yield line, cells


def number(path: Path, line: int, name: str, cell: str) -> float:
    """Read one cell: a number as programs write it, so neither `1_000` nor digits of other scripts."""
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    text = cell.strip()
    if not math.isfinite(value) or "_" in text or not text.isascii():
        shown = f"{quoted(text)}, not a finite number" if text else "an empty cell"
        remedy = "encode words as numbers; fill or remove missing values"
        raise UserError(f"{path}:{line}", f"column {quoted(name)} has {shown}", remedy)
    return value


def refuse_amounts(where: str, labels: list[str]) -> None:
    """Refuse labels that are all numbers and some of them fractions: to be predicted, not classified."""
    if not all(map(NUMBER.fullmatch, labels)):
        return
    if fraction := next((text for text in labels if float(text) % 1 > 0), None):
        raise beyond(where, f"holds numbers such as {quoted(fraction)[1:-1]}: amounts, not classes")


def order(labels: list[str]) -> type[int] | None:
    """Sort labels as numbers where all are integers of their own spelling, else as text."""
    return int if all(INTEGER.fullmatch(label) for label in labels) else None
