"""Two runs beside each other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support import example

from tinyc.core.errors import UserError
from tinyc.report.compare import compare, text, to_json

OTHER = replace(example.REPORT, final=example.PRUNED, seconds=300.0, targets=example.TARGETS[:2])
OTHER_RECIPE = example.RECIPE.replace("0.1", "0.2") + '\n[[pass]]\nuse = "prune"\nfraction = 0.5\n'
OTHER_VIEWS = replace(example.VIEWS, recipe_toml=OTHER_RECIPE)
ROWS = compare(example.REPORT, OTHER, example.VIEWS, OTHER_VIEWS)


def row(name: str) -> tuple[object, ...]:
    found = next(row for row in ROWS if row.name == name)
    return found.a, found.b, found.change, found.a_met, found.b_met


def test_recipes_differ_by_key() -> None:
    assert [found.name for found in ROWS if found.section == "recipe"] == [
        "pass order", "pass.prune.fraction", "pass.prune 2.use", "pass.prune 2.fraction",
    ]  # fmt: skip
    assert row("pass.prune.fraction")[:2] == (0.1, 0.2)
    assert row("pass.prune 2.fraction")[:2] == (None, 0.5)


def test_ledgers_and_targets_differ_by_figure() -> None:
    assert row("file_bytes")[:3] == (79_024, 290_608, 290_608 - 79_024)
    assert row("arena_bytes")[:3] == (54_912, None, None)
    assert row("arena <= 52 KiB") == (54_912.0, None, None, False, None)
    assert row("file <= 80 KiB")[3:] == (True, True)


def test_text_names_both_runs_and_every_difference() -> None:
    shown = text(ROWS, ("runs/a", "runs/\x1b[31mb"))
    lines = [line.split() for line in shown.splitlines()]
    assert ["pass.prune.fraction", "0.1", "0.2"] in lines
    assert ["file_bytes", "77.2", "KiB", "283.8", "KiB", "3.68x", "larger"] in lines
    assert ["accuracy", "88.05", "%", "88.18", "%", "+0.13", "pp"] in lines
    assert ["seconds", "6", "min", "16", "s", "5", "min", "00", "s", "-1", "min", "16", "s"] in lines
    assert "53.6 KiB, missed" in shown
    assert "no such target" in shown
    assert shown.replace("\n", "").isprintable()
    assert max(map(len, shown.splitlines())) <= 120


def test_equal_runs_say_so() -> None:
    shown = text(compare(example.REPORT, example.REPORT, example.VIEWS, example.VIEWS), ("a", "b"))
    assert shown.startswith("Recipe: no difference")
    assert "larger" not in shown


def test_json_holds_the_rows() -> None:
    found = json.loads(to_json(ROWS))
    assert {"section": "recipe", "name": "pass.prune.fraction", "a": 0.1, "b": 0.2,
            "change": None, "a_met": None, "b_met": None, "a_uncounted": [], "b_uncounted": []} in found  # fmt: skip


def test_a_damaged_recipe_is_refused() -> None:
    with pytest.raises(UserError, match="recipe_toml"):
        compare(example.REPORT, OTHER, replace(example.VIEWS, recipe_toml="= 1"), OTHER_VIEWS)
