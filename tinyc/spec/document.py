"""TOML text to one flat table: `extends`, `[vars]` with `${name}`, and `--set`, each error with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyc.core import files, limits
from tinyc.core.errors import UserError
from tinyc.spec import gallery, sets, values
from tinyc.spec.lines import Keys, Lines
from tinyc.spec.variables import Substitution

Table = dict[str, Any]


@dataclass(frozen=True)
class Document:
    """A recipe as one table, with the file and line that each key came from."""

    path: Path
    table: Table
    lines: tuple[Lines, ...]

    def where(self, keys: Keys) -> str:
        """Write `file:line: key.path` for a key path; a child's line goes before its parent's."""
        dotted = ".".join(str(key + 1) if isinstance(key, int) else str(key) for key in keys)
        for lines in self.lines:
            line = lines.line(keys)
            if line is not None:
                return f"{lines.path}:{line}: {dotted}"
        return f"{self.path}: {dotted}" if dotted else str(self.path)


def read_document(path: Path, changes: Iterable[str] = ()) -> Document:
    """Read a recipe with all that it extends, then apply `--set` and the variables.

    Raises:
        UserError: broken TOML, a circle of `extends`, an unknown variable, a value that no recipe may hold, or a
            `--set` that fits nothing.
        MachineError: a file may not be read.
    """
    tables, lines = chain(path)
    merged: Table = {}
    for table in reversed(tables):
        merged = merge(merged, table)
    merged.pop("extends", None)
    for text in changes:
        sets.apply(merged, text)
    variables = merged.pop("vars", {})
    unfilled = Document(path, merged, tuple(lines))
    if not isinstance(variables, dict):
        raise UserError(unfilled.where(("vars",)), "must be a table of variables", "write [vars], then name = value")
    document = Document(path, Substitution(variables, unfilled.where).into(merged), tuple(lines))
    require_sound(document.table, document)
    return document


def chain(path: Path) -> tuple[list[Table], list[Lines]]:
    """Return the recipe and those it extends, child first."""
    tables: list[Table] = []
    lines: list[Lines] = []
    current, named = path, str(path)
    while True:
        table, found = parse(current, named)
        tables.append(table)
        lines.append(found)
        if "extends" not in table:
            return tables, lines
        base, where = table["extends"], f"{current}:{found.line(('extends',))}: extends"
        if not isinstance(base, str) or not base:
            raise UserError(where, f"{base!r} is not a path", 'write extends = "base.toml"')
        current, named = gallery.find(base, current.parent, where), f"{where} = {base!r}"
        if any(current == each.path for each in lines):
            circle = " -> ".join(file.name for file in [*(each.path for each in lines), current])
            raise UserError(where, f"runs in a circle: {circle}", "remove one of the extends")
        if len(lines) > limits.EXTENDS:
            problem = f"is the {len(lines)}th in a row; at most {limits.EXTENDS} are followed"
            raise UserError(where, problem, "put some of these recipes into one")


def parse(path: Path, named: str) -> tuple[Table, Lines]:
    """Read one TOML file, strictly, as `tomllib` does; `named` says who named it."""
    text = files.read_text(path, limits.RECIPE_BYTES, named)
    values.require_shallow(text, str(path))
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            located(path, str(error)), f"broken TOML: {error}", "see https://toml.io for the syntax"
        ) from error
    except ValueError as error:
        raise UserError(str(path), "holds an integer of over 64 bits", "write a smaller one") from error
    lines = Lines.scan(path, text)
    require_sound(table, Document(path, table, (lines,)))
    return table, lines


def require_sound(table: Table, document: Document) -> None:
    """Refuse values that no recipe may hold.

    Raises:
        UserError: names the first one's line and key path.
    """
    fault = values.first_fault(table)
    if fault:
        keys, problem, remedy = fault
        raise UserError(document.where(keys), problem, remedy)


def located(path: Path, message: str) -> str:
    """Take the line out of tomllib's message."""
    match = re.search(r"at line (\d+)", message)
    return f"{path}:{match[1]}" if match else str(path)


def merge(base: Table, child: Mapping[str, Any]) -> Table:
    """Merge tables by key; a child's list, the list of passes too, replaces the whole list."""
    result = dict(base)
    for key, value in child.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if both else value
    return result
