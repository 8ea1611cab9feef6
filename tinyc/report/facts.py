"""Spell what a pass found out: any JSON value, as rows of names and values and as small tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyc.core import units
from tinyc.core.units import Unit
from tinyc.report.tables import Cells
from tinyc.spec.facts import inside, unit

VALUES_SHOWN = 12
ROWS_SHOWN = 40
NUMBERS_APART = 6
DIFFERENT_KEYS = 4
LONG = 60


@dataclass(frozen=True)
class Facts:
    """The facts of one pass: `single` holds names and values, `tables` the lists of records by their name."""

    single: Cells
    tables: tuple[tuple[str, Cells], ...]


def spelled(facts: Mapping[str, Any], kind: Any = None) -> Facts:
    """Sort facts into single values and tables; nested names are joined by a dot.

    Args:
        kind: their declared type (`spec.facts`), whose units are shown; what it does not name has none.
    """
    single, tables = [], []
    for name, value, of in _leaves(facts, kind):
        if _is_records(value) and _alike(value):
            tables.append((name, _records(value, inside(of))))
        elif _is_records(value) or _is_sentences(value):
            numbered = {str(place): item for place, item in enumerate(value, start=1)}
            single += [(inner, spell(item, each)) for inner, item, each in _leaves(numbered, of, f"{name}.")]
        elif records := _by_name(name, value):
            tables.append((name, _records(records, (inside(of), of))))
        else:
            single.append((name, spell(value, of)))
    return Facts(Cells(("fact", "value"), tuple(single)), tuple(tables))


def spell(value: Any, kind: Any = None) -> str:
    """Write one value of a declared type, with its unit."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value, unit(kind))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {spell(item, inside(kind, str(key)))}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        shown = ", ".join(spell(item, inside(kind)) for item in value[:VALUES_SHOWN])
        return shown if len(value) <= VALUES_SHOWN else f"{shown}, ... ({len(value)} values, all in report.json)"
    return str(value)


def _number(value: float, unit: Unit | None) -> str:
    if unit:
        return units.show(value, unit)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _by_name(name: str, value: Any) -> list[dict[str, Any]]:
    """Turn what is known by name into records: many numbers (bits a layer), or tables of one kind (a file each)."""
    if not isinstance(value, Mapping):
        return []
    if len(value) > NUMBERS_APART and all(map(_is_number, value.values())):
        return [{"of": str(key), name.rpartition(".")[2]: number} for key, number in value.items()]
    tables = [item for item in value.values() if isinstance(item, Mapping)]
    plain = [set(item) for item in tables if not any(isinstance(part, Mapping) for part in item.values())]
    if len(plain) < 2 or len(plain) < len(value) or not set.intersection(*plain):
        return []
    return [{"of": str(key), **item} for key, item in value.items()]


def _leaves(facts: Mapping[str, Any], kind: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name, value in facts.items():
        of = inside(kind, name)
        # A long table of numbers (examples a class, bits a layer) is one fact, not a page of them.
        if isinstance(value, Mapping) and value and not _by_name(name, value):
            yield from _leaves(value, of, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, of


def _is_records(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _is_sentences(value: Any) -> bool:
    """Say whether a list holds sentences, each of which wants a line of its own."""
    return isinstance(value, list | tuple) and any(isinstance(item, str) and len(item) > LONG for item in value)


def _alike(records: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether records have so much in common that one table shows them: steps of several kinds have not."""
    kinds = [set(record) for record in records]
    return len(set.union(*kinds)) <= len(set.intersection(*kinds)) + DIFFERENT_KEYS


def _records(records: Sequence[Mapping[str, Any]], kind: Any) -> Cells:
    names = tuple(dict.fromkeys(str(name) for record in records for name in record))
    shown = records[:ROWS_SHOWN]
    rows = tuple(tuple(spell(record.get(name), inside(kind, name)) for name in names) for record in shown)
    numeric = (place for place, name in enumerate(names) if all(_is_number(record.get(name)) for record in records))
    note = f"{len(records) - ROWS_SHOWN} more are in report.json." if len(records) > ROWS_SHOWN else ""
    return Cells(names, rows, frozenset(numeric), note)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
