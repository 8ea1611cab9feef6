"""A run's time: the source's training is in its row or said beside it, and what stands in no row is said too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import example

from tinyc.report import lines, tables
from tinyc.report.record import SourceTime
from tinyc.report.times import source_time, waited
from tinyc.report.views import Views

HERE = SourceTime(600.0, cached=False, trained="here", training_seconds=590.0)
EARLIER = SourceTime(4.0, cached=False, trained="earlier", training_seconds=590.0)


@pytest.mark.parametrize(
    ("took", "shown"),
    [
        (None, ""),
        (SourceTime(4.0, cached=False), "4.00 s"),
        (HERE, "10 min 00 s"),
        (replace(HERE, cached=True), "10 min 00 s (cached)"),
        (EARLIER, "4.00 s, trained by an earlier run in 9 min 50 s"),
        (replace(EARLIER, training_seconds=None), "4.00 s, trained by an earlier run"),
        (replace(EARLIER, cached=True), "4.00 s (cached), trained by an earlier run in 9 min 50 s"),
    ],
)
def test_the_source_row_has_a_time(took: SourceTime | None, shown: str) -> None:
    assert source_time(took) == shown
    report = replace(example.REPORT, source_time=took)
    assert tables.steps(report, Views()).rows[0][-1] == shown
    assert tables.steps(report, Views()).note == f"The run took {waited(report)}."


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_it_in_the_row_and_where_it_came_from(width: int) -> None:
    row, *more = [line.plain for line in lines.source(example.SOURCE, HERE, (), width)][3:]
    assert row.endswith("10 min 00 s")
    assert more == []
    row, *more = [line.plain for line in lines.source(example.SOURCE, EARLIER, (), width)][3:]
    assert row.endswith("4.00 s")
    assert more == ["    trained by an earlier run in 9 min 50 s; its weights are in the cache"]
    row, *_ = [line.plain for line in lines.source(example.SOURCE, replace(HERE, cached=True), (), width)][3:]
    assert row.endswith("cached")
    row, *_ = [line.plain for line in lines.source(example.SOURCE, None, (), width)][3:]
    assert row.endswith(" %")


def test_what_was_waited_for_is_the_rows_and_the_rest() -> None:
    """A cached pass was waited for by an earlier call: 600 s of the source, 120.87 s of the passes that ran."""
    assert waited(replace(example.REPORT, source_time=HERE, seconds=800.0)) == (
        "13 min 20 s, 1 min 19 s of it in no row (start, data, loading, report)"
    )
    steps = tuple(replace(step, cached=True) for step in example.STEPS)
    done = replace(example.REPORT, steps=steps, source_time=replace(HERE, cached=True), seconds=0.8)
    assert waited(done) == "0.80 s; every row is cached"
    assert waited(replace(example.REPORT, source_time=None)) == "6 min 16 s"
