"""TOML text to one flat table: `extends`, `[vars]` with `${name}`, and `--set`, each error with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyc.errors import MachineError, UserError
from tinyc.recipe import gallery
from tinyc.recipe.lines import Lines

Table = dict[str, Any]
VARIABLE = re.compile(r"\$\{([A-Za-z_][\w-]*)\}")
MOST_EXTENDS = 16


@dataclass(frozen=True)
class Document:
    """A recipe as one table, with the file and line that each key came from."""

    path: Path
    table: Table
    lines: tuple[Lines, ...]

    def where(self, keys: tuple[str | int, ...]) -> str:
        """Write `file:line: key.path` for a key path; a child's line goes before its parent's."""
        dotted = ".".join(str(key + 1) if isinstance(key, int) else str(key) for key in keys)
        for lines in self.lines:
            line = lines.line(keys)
            if line is not None:
                return f"{lines.path}:{line}: {dotted}"
        return f"{self.path}: {dotted}" if dotted else str(self.path)


def read(path: Path, sets: Iterable[str] = ()) -> Document:
    """Read a recipe with all that it extends, then apply `--set` and the variables.

    Raises:
        UserError: broken TOML, a circle of `extends`, an unknown variable or a `--set` that fits nothing.
    """
    tables, lines = chain(path)
    merged: Table = {}
    for table in reversed(tables):
        merged = merge(merged, table)
    merged.pop("extends", None)
    for text in sets:
        apply_set(merged, text)
    variables = merged.pop("vars", {})
    document = Document(path, {}, tuple(lines))
    if not isinstance(variables, dict):
        raise UserError(document.where(("vars",)), "must be a table of variables", "write [vars], then name = value")
    return Document(path, substitute(merged, variables, document, ()), tuple(lines))


def chain(path: Path) -> tuple[list[Table], list[Lines]]:
    """The recipe and those it extends, child first."""
    tables: list[Table] = []
    lines: list[Lines] = []
    seen: list[Path] = []
    current: Path | None = path
    while current is not None:
        if current in seen or len(seen) > MOST_EXTENDS:
            circle = " -> ".join(file.name for file in [*seen, current])
            raise UserError(str(path), f"extends runs in a circle: {circle}", "remove one of the extends")
        seen.append(current)
        text, table = parse(current)
        tables.append(table)
        lines.append(Lines.scan(current, text))
        base = table.get("extends")
        if base is not None and not isinstance(base, str):
            raise UserError(f"{current}: extends", f"{base!r} is no path", 'write extends = "base.toml"')
        current = gallery.find(base, current.parent, f"{current}: extends") if base else None
    return tables, lines


def parse(path: Path) -> tuple[str, Table]:
    """Read one TOML file; strict, as `tomllib` is."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(str(path), f"is not UTF-8 text: {error}", "save the recipe as UTF-8") from error
    except OSError as error:
        raise MachineError(
            str(path), f"cannot be read: {error.strerror}", "check the file and its permissions"
        ) from error
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            located(path, str(error)), f"broken TOML: {error}", "see https://toml.io for the syntax"
        ) from error
    except (ValueError, RecursionError) as error:
        problem = f"holds a number or a nesting beyond all use: {error}"
        raise UserError(str(path), problem, "write it shorter") from error


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


def substitute(value: Any, variables: Table, document: Document, keys: tuple[str | int, ...]) -> Any:
    """Replace `${name}`; a string that is only `${name}` takes the variable's type."""
    if isinstance(value, dict):
        return {key: substitute(item, variables, document, (*keys, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, variables, document, (*keys, index)) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in VARIABLE.findall(value):
        if name not in variables:
            known = ", ".join(sorted(variables)) or "none"
            raise UserError(document.where(keys), f"unknown variable ${{{name}}}", f"[vars] has {known}")
    whole = VARIABLE.fullmatch(value)
    if whole:
        return variables[whole[1]]
    return VARIABLE.sub(lambda match: str(variables[match[1]]), value)


def apply_set(table: Table, text: str) -> None:
    """Set one key: `seed=3`, `pass.2.fraction=0.5`, or `pass.prune.fraction` where there is one prune."""
    key, equals, value = text.partition("=")
    where = f"--set {text}"
    keys = [part.strip() for part in key.split(".")]
    if not equals or not all(keys):
        raise UserError(where, "is not of the form KEY=VALUE", "for example --set pass.2.fraction=0.5")
    current: Any = table
    for part in keys[:-1]:
        current = step_into(current, part, where)
    if not isinstance(current, dict):
        raise UserError(where, f"{'.'.join(keys[:-1])} is no table", "name a key inside a section or a pass")
    current[keys[-1]] = literal(value.strip())


def step_into(current: Any, part: str, where: str) -> Any:
    """Go one key down, or into a list by number (from 1) or by the name of a pass."""
    if isinstance(current, dict):
        return current.setdefault(part, {})
    if not isinstance(current, list):
        raise UserError(where, f"there is nothing below {part!r}", "name a section or a pass")
    if part.isdecimal():
        if not 1 <= int(part) <= len(current):
            raise UserError(where, f"there is no pass {part}", f"passes are numbered 1 to {len(current)}")
        return current[int(part) - 1]
    found = [item for item in current if isinstance(item, dict) and item.get("use") == part]
    if len(found) != 1:
        raise UserError(
            where, f"the recipe has {len(found)} passes named {part!r}", "give the number: pass.2.key=value"
        )
    return found[0]


def literal(text: str) -> Any:
    """Read a TOML value; what is none is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
