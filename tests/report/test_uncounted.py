"""MACs that nobody counted: a dash with the operators' names wherever a figure stands, and no bound met by it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from support import example

from tinyc.measure import Ledger
from tinyc.measure.figures import Measurement
from tinyc.measure.judging import measured, unmeasured
from tinyc.report import html, lines, markdown, write
from tinyc.report.compare import compare, text, to_json
from tinyc.report.record import Report, difference
from tinyc.spec.bounds import Bound

NAMES = ("RFFT2D", "my <op>")
SOURCE = replace(example.SOURCE, macs=None, uncounted=NAMES)
REPORT = replace(example.REPORT, source=SOURCE)
WHY = "no count of the multiplications of RFFT2D, my <op>"


def judged(metric: str, bound: str, after: Ledger, before: Ledger) -> tuple[bool, str | None]:
    now, then = (Measurement(each, np.zeros((0, 2)), np.zeros(0, int)) for each in (after, before))
    check = Bound.parse(metric, bound).judge(measured(metric, now, then), unmeasured(metric, now, then))
    return check.met, check.why


def test_no_bound_is_met_and_the_operators_are_named() -> None:
    for bound in ("<= 100 G", ">= 0"):
        assert judged("macs", bound, SOURCE, SOURCE) == (False, f"not measured: {WHY}")
    assert judged("macs_reduction", ">= 0 %", example.EXPORTED, SOURCE) == (False, f"not measured: {WHY}")
    assert judged("macs", "<= 100 G", example.EXPORTED, SOURCE) == (True, None)
    assert judged("arena", "<= 1 GiB", replace(SOURCE, arena_bytes=None), SOURCE) == (False, "not measured")


def test_no_difference_is_taken() -> None:
    assert difference(example.EXPORTED, SOURCE)["macs"] is None
    assert difference(example.EXPORTED, SOURCE)["params"] is not None


def test_it_is_null_in_json_and_reads_back() -> None:
    table = json.loads(write.to_json(REPORT))
    assert table["source"]["macs"] is None
    assert table["source"]["uncounted"] == list(NAMES)
    assert Report.from_json(table, "mine").source == SOURCE
    older = {name: value for name, value in example.SOURCE.to_json().items() if name != "uncounted"}
    assert Ledger.from_json(older) == example.SOURCE
    assert Ledger.from_json(json.loads(json.dumps(SOURCE.to_json()))) == SOURCE


def test_every_page_shows_a_dash_with_the_names_and_says_why() -> None:
    page = markdown.render(REPORT)
    rows = [line for line in page.splitlines() if line.startswith("| MACs per inference | - ")]
    assert len(rows) == 2  # the run in short, and the ledger of every state
    assert all(row.startswith("| MACs per inference | - (RFFT2D, my \\<op\\>) |") for row in rows)
    assert "No figure for the MACs of the source: no count of the multiplications of RFFT2D" in page
    shown = html.render(REPORT)
    assert "- (RFFT2D, my &lt;op&gt;)" in shown
    assert f"no figure for the MACs of the source: {WHY}" in [line.plain for line in lines.end(REPORT, 80)]
    assert not any("no figure for the MACs" in line.plain for line in lines.end(example.REPORT, 80))
    wide = [line.plain for line in lines.source(SOURCE, None, (), 120)]
    end = wide[-2].index("MACs") + len("MACs")
    assert wide[-1][:end].endswith(" -")


def test_two_runs_are_compared_by_name() -> None:
    other = replace(example.REPORT, final=replace(example.EXPORTED, macs=None, uncounted=NAMES))
    rows = compare(example.REPORT, other)
    (found,) = (json.loads(to_json(rows))[i] for i, row in enumerate(rows) if row.name == "macs")
    assert (found["b"], found["change"], found["b_uncounted"]) == (None, None, list(NAMES))
    assert "- (RFFT2D, my <op>)" in text(rows, ("a", "b"))
