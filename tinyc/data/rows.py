"""A .csv with a header: one column holds the label, all others are numbers."""

from __future__ import annotations

import csv
import difflib
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tinyc.data.raw import Raw
from tinyc.errors import UserError
from tinyc.scope import beyond

Row = tuple[int, list[str]]
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def read(path: Path, label: str, recording: str | None = None, groups: Sequence[str] = ()) -> Raw:
    """Read features as float32, (examples, features), labels as class names, and columns that are no features.

    Args:
        path: the file.
        label: the label's column.
        recording: the column that says which recording a row belongs to; it becomes the group "recording".
        groups: further columns that become groups.

    Raises:
        UserError: no such column, a ragged row, or a cell that is no finite number; names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [cell.strip() for cell in next(reader, [])]
            column = label_column(path, header, label)
            named = {name: group_column(path, header, name) for name in groups}
            named |= {"recording": group_column(path, header, recording)} if recording is not None else {}
            rows = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(str(path), f"is no .csv in UTF-8: {error}", "save it as comma-separated UTF-8 text") from error
    if not rows:
        raise UserError(str(path), "has no rows below its header", "add some")
    words = (column, *sorted(set(named.values())))
    if len(words) == len(header):
        raise UserError(f"{path}:1", "has no column of features beside label and groups", "add the features")
    x = np.array(list(features(path, header, words, rows)), np.float64)
    labels = [row[column].strip() for _, row in rows]
    refuse_amounts(f"{path}: column {label!r}", labels)
    names = sorted(set(labels), key=order(labels))
    index = {name: number for number, name in enumerate(names)}
    y = np.array([index[name] for name in labels], np.int64)
    columns = {name: np.array([row[place].strip() for _, row in rows], np.str_) for name, place in named.items()}
    return Raw(str(path), {"all": x}, {"all": y}, tuple(names), groups={"all": columns})


def label_column(path: Path, header: list[str], label: str) -> int:
    """Find the label's column; all names must be different, and one more column must be there."""
    doubled = [name for name in header if header.count(name) > 1]
    if doubled:
        raise UserError(f"{path}:1", f"has the column {doubled[0]!r} twice", "give each column its own name")
    if label in header:
        if len(header) == 1:
            raise UserError(f"{path}:1", f"has no column beside {label!r}", "add the features")
        return header.index(label)
    raise no_column(path, header, label)


def group_column(path: Path, header: list[str], name: str) -> int:
    """Find a column that is neither label nor feature."""
    if name not in header:
        raise no_column(path, header, name)
    return header.index(name)


def no_column(path: Path, header: list[str], name: str) -> UserError:
    """Say that a column is not there, and which may be meant."""
    close = difflib.get_close_matches(name, header, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "the columns are " + ", ".join(map(repr, header[:20]))
    if len(header) <= 1 and any(mark in "".join(header) for mark in ";\t"):
        hint = "the cells must be parted by commas"
    return UserError(f"{path}:1", f"has no column {name!r}", hint)


def features(path: Path, header: list[str], words: Sequence[int], rows: Sequence[Row]) -> Iterator[list[float]]:
    """Turn each row into numbers, but for its label, which stands first in `words`, and its groups."""
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(
                f"{path}:{line}", f"has {len(row)} cells, the header {len(header)}", "mend the row, or quote its commas"
            )
        empty = next((column for column in words if not row[column].strip()), None)
        if empty is not None:
            kind = "label" if empty == words[0] else "value"
            remedy = "fill the cell, or remove the row"
            raise UserError(f"{path}:{line}", f"has no {kind} in {header[empty]!r}", remedy)
        yield [number(path, line, header[i], cell) for i, cell in enumerate(row) if i not in words]


def number(path: Path, line: int, name: str, cell: str) -> float:
    """Read one cell."""
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        shown = f"{cell.strip()!r}, not a finite number" if cell.strip() else "an empty cell"
        raise UserError(
            f"{path}:{line}", f"column {name!r} has {shown}", "encode words as numbers; fill or remove missing values"
        )
    return value


def refuse_amounts(where: str, labels: list[str]) -> None:
    """Refuse labels that are all numbers and some of them fractions: to be predicted, not told apart."""
    try:
        numbers = np.array(labels, np.float64)
    except ValueError:
        return
    if fractions := [text for text, value in zip(labels, numbers.tolist(), strict=True) if value % 1 > 0]:
        raise beyond(where, f"holds numbers such as {fractions[0]}: amounts, not classes")


def order(labels: list[str]) -> type[int] | None:
    """Sort labels as numbers where all are integers of their own spelling, else as text."""
    return int if all(INTEGER.fullmatch(label) for label in labels) else None
