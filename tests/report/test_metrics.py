"""A metric is one row: with it a figure of the ledger is bounded, judged and shown everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import example

from tinyc import measure
from tinyc.report import compare, html, lines, markdown
from tinyc.report.record import difference
from tinyc.spec.bounds import Bound
from tinyc.spec.metrics import METRICS, Metric

LATENCY = Metric("latency", "seconds", "less", "sensor_bytes_per_second", label="latency of one", column="latency")
"""A toy; it reads a field of the ledger that is there for something else, as its measurement."""
SAVED = Metric("latency_reduction", "fraction", "more", "sensor_bytes_per_second", "reduction")


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in (LATENCY, SAVED):
        monkeypatch.setitem(METRICS, row.name, row)


def measured(seconds: float | None) -> measure.Measurement:
    ledger = replace(example.EXPORTED, sensor_bytes_per_second=seconds)
    return measure.Measurement(ledger, np.eye(2, dtype=np.float32), np.arange(2))


@pytest.mark.parametrize(
    ("metric", "bound", "now", "got", "why"),
    [
        ("latency", "<= 50 ms", 0.04, 0.04, None),
        ("latency", "<= 50 ms", 2.0, 2.0, "2.00 s is not <= 50 ms"),
        ("latency", "<= 50 ms", None, None, "not measured"),
        ("latency_reduction", ">= 75 %", 1.0, 0.75, None),
        ("latency_reduction", ">= 75 %", 3.0, 0.25, "25.00 % is not >= 75 %"),
    ],
)
def test_a_row_is_bounded_and_judged(metric: str, bound: str, now: float | None, got: float, why: str | None) -> None:
    check = Bound.parse(metric, bound).judge(measure.measured(metric, measured(now), measured(4.0)))
    assert (check.got, check.why, check.met) == (got, why, why is None)


def test_a_row_is_shown() -> None:
    source, final = (replace(each, sensor_bytes_per_second=seconds) for each, seconds in (
        (example.SOURCE, 4.0), (example.EXPORTED, 2.0)))  # fmt: skip
    check = Bound.parse("latency", "<= 50 ms").judge(measure.measured("latency", measured(2.0), measured(4.0)))
    report = replace(example.REPORT, source=source, final=final, targets=(check,))
    assert difference(final, source)["sensor_bytes_per_second"] == -2.0
    page, shown = markdown.render(report), "\n".join(line.plain for line in lines.end(report, 120))
    assert "| latency of one | 4.00 s | 2.00 s | 2x smaller |" in page
    assert "| latency | &lt;= 50 ms |".replace("&lt;", "\\<") in page
    assert "latency" in html.render(report)
    assert any(line.split() == ["latency", "<=", "50", "ms", "2.00", "s", "NO"] for line in shown.splitlines())
    other = replace(report, final=replace(final, sensor_bytes_per_second=1.0))
    rows = [line.split() for line in compare.text(compare.compare(report, other), ("a", "b")).splitlines()]
    assert ["sensor_bytes_per_second", "2.00", "s", "1.00", "s", "-1.00", "s"] in rows
