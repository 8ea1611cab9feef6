"""Two runs side by side: what their recipes say differently, what their artifacts weigh, which targets they meet."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tinyc.core import units
from tinyc.core.errors import UserError
from tinyc.report.columns import columns
from tinyc.report.facts import spell
from tinyc.report.figures import factor, got, signed
from tinyc.report.plain import plain
from tinyc.report.record import Report
from tinyc.report.schema import REMEDY, finite
from tinyc.report.views import Views
from tinyc.spec.bounds import Check
from tinyc.spec.metrics import figures, unit_of

Section = Literal["recipe", "final", "target"]
TITLES: Mapping[Section, str] = {"recipe": "Recipe", "final": "Final ledger", "target": "Targets"}
VALUE_WIDTH = 30


@dataclass(frozen=True)
class Row:
    """One figure or recipe key of both runs; `change` is b minus a, None where it is not a number or unmeasured.

    A recipe key that one run lacks is None there. For a target `a` and `b` are what was measured, and
    `a_met`, `b_met` the verdicts (None: that run has no such target). `a_uncounted` and `b_uncounted` name the
    operators for which MACs have no figure.
    """

    section: Section
    name: str
    a: Any
    b: Any
    change: float | None = None
    a_met: bool | None = None
    b_met: bool | None = None
    a_uncounted: tuple[str, ...] = ()
    b_uncounted: tuple[str, ...] = ()


def compare(a: Report, b: Report, views_a: Views | None = None, views_b: Views | None = None) -> tuple[Row, ...]:
    """Compare two runs; recipes are compared where both runs keep their resolved recipe in the views.

    Raises:
        UserError: a kept recipe is damaged.
    """
    recipes = _recipes(views_a, views_b) if views_a and views_b else ()
    return (*recipes, *_finals(a, b), *_targets(a, b))


def to_json(rows: tuple[Row, ...]) -> str:
    """Write the rows as a JSON list."""
    return json.dumps(finite([asdict(row) for row in rows]), indent=2, allow_nan=False, default=str)


def text(rows: tuple[Row, ...], names: tuple[str, str]) -> str:
    """Write the rows for a terminal, one small table a section, without control characters."""
    return "\n".join(_sections(rows, names)).rstrip() + "\n"


def _recipes(views_a: Views, views_b: Views) -> Iterator[Row]:
    try:
        first, second = (dict(_flat(tomllib.loads(views.recipe_toml))) for views in (views_a, views_b))
    except tomllib.TOMLDecodeError as error:
        raise UserError("report.json: views.recipe_toml", f"is not TOML: {error}", REMEDY) from error
    for name in dict.fromkeys((*first, *second)):
        if first.get(name) != second.get(name):
            yield Row("recipe", name, first.get(name), second.get(name))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if not prefix and name == "pass" and isinstance(value, list):
            yield "pass order", [step.get("use") for step in value]
            yield from _passes(value)
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _passes(steps: list[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Name a pass's keys "pass.prune.fraction", and "pass.prune 2.fraction" for the second prune."""
    seen: dict[str, int] = {}
    for step in steps:
        use = str(step.get("use"))
        seen[use] = seen.get(use, 0) + 1
        label = use if seen[use] == 1 else f"{use} {seen[use]}"
        yield from _flat(step, f"pass.{label}.")


def _finals(a: Report, b: Report) -> Iterator[Row]:
    for name in (row.figure for row in figures()):
        old, new = getattr(a.final, name), getattr(b.final, name)
        change = None if None in (old, new) else new - old
        names = (a.final.uncounted, b.final.uncounted) if name == "macs" else ((), ())
        yield Row("final", name, old, new, change, a_uncounted=names[0], b_uncounted=names[1])
    yield Row("final", "seconds", a.seconds, b.seconds, b.seconds - a.seconds)


def _targets(a: Report, b: Report) -> Iterator[Row]:
    first, second = _by_bound(a), _by_bound(b)
    for name in dict.fromkeys((*first, *second)):
        old, new = first.get(name), second.get(name)
        before, after = old.got if old else None, new.got if new else None
        change = None if before is None or after is None else after - before
        yield Row("target", name, before, after, change, old.met if old else None, new.met if new else None)


def _by_bound(report: Report) -> dict[str, Check]:
    return {f"{check.metric} {check.bound}": check for check in report.targets}


def _sections(rows: tuple[Row, ...], names: tuple[str, str]) -> Iterator[str]:
    for section, title in TITLES.items():
        chosen = [row for row in rows if row.section == section]
        if not chosen:
            if section == "recipe":
                yield from ("Recipe: no difference, or not kept by both runs", "")
            continue
        table = [(title, *map(plain, names), "change"), *map(_cells, chosen)]
        yield from columns(table)
        yield ""


def _cells(row: Row) -> tuple[str, str, str, str]:
    if row.section == "recipe":
        return plain(row.name), _key(row.a), _key(row.b), ""
    if row.section == "target":
        metric, _, bound = row.name.partition(" ")
        a, b = (_judged(metric, bound, value, met) for value, met in ((row.a, row.a_met), (row.b, row.b_met)))
        return row.name, a, b, _change(row, metric)
    unit = "seconds" if row.name == "seconds" else unit_of(row.name)
    a, b = (
        units.show(value, unit) + (f" ({', '.join(names)})" if names else "")
        for value, names in ((row.a, row.a_uncounted), (row.b, row.b_uncounted))
    )
    return row.name, a, b, _change(row, row.name)


def _key(value: Any) -> str:
    shown = "(not set)" if value is None else plain(spell(value))
    return shown if len(shown) <= VALUE_WIDTH else shown[: VALUE_WIDTH - 3] + "..."


def _judged(metric: str, bound: str, value: float | None, met: bool | None) -> str:
    if met is None:
        return "no such target"
    check = Check(metric, bound, value, None, None, met, None)
    return f"{got(check)}, {'met' if met else 'missed'}"


def _change(row: Row, metric: str) -> str:
    if row.change is None:
        return "-"
    unit = "seconds" if metric == "seconds" else unit_of(metric)
    if unit in ("bytes", "count"):
        return factor(row.a, row.b) or "unchanged"
    return signed(row.change, "pp" if unit == "fraction" else unit)
