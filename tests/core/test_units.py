"""Quantities as people write them, and as they are shown."""

from __future__ import annotations

import pytest

from tinyc.core import units
from tinyc.spec.bounds import Bound, Measured
from tinyc.spec.metrics import METRICS, bounded


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("96 KiB", "bytes", 98304),
        ("96KiB", "bytes", 98304),
        ("100 kB", "bytes", 100_000),
        ("512 B", "bytes", 512),
        ("1.5 M", "count", 1_500_000),
        ("12_000", "count", 12_000),
        ("90 %", "fraction", 0.9),
        ("0.9", "fraction", 0.9),
        ("1 pp", "pp", 0.01),
        ("-1e-1 pp", "pp", -0.001),
        ("3 ms", "seconds", 0.003),
    ],
)
def test_what_people_write(text: str, unit: units.Unit, value: float) -> None:
    assert units.parse(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("96", "bytes"), ("1 %", "pp"), ("1 pp", "fraction"), ("x", "count"), ("", "bytes"), ("1 2", "count")],
)
def test_what_is_no_quantity(text: str, unit: units.Unit) -> None:
    with pytest.raises(ValueError, match="unit"):
        units.parse(text, unit)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (98304, "bytes", "96.0 KiB"),
        (1023, "bytes", "1,023 B"),
        (1_048_575, "bytes", "1.0 MiB"),
        (999_999, "count", "1.0 M"),
        (23_601_930, "count", "23.6 M"),
        (512, "count", "512"),
        (0.99654, "fraction", "99.65 %"),
        (-0.005, "pp", "-0.50 pp"),
        (0.416, "seconds", "0.42 s"),
        (250, "seconds", "4 min 10 s"),
        (3900, "seconds", "1 h 05 min"),
        (None, "bytes", "-"),
    ],
)
def test_what_people_are_shown(value: float | None, unit: units.Unit, text: str) -> None:
    assert units.show(value, unit) == text


@pytest.mark.parametrize("metric", bounded())
def test_unmeasured_meets_no_bound(metric: str) -> None:
    unit = {"bytes": "B", "count": "", "fraction": "%", "pp": "pp", "seconds": "s"}[METRICS[metric].unit]
    for sign in ("<=", ">="):
        check = Bound.parse(metric, f"{sign} 0 {unit}").judge(Measured(None))
        assert not check.met
        assert check.why == "not measured"


def test_the_point_estimate_decides_at_the_limit() -> None:
    bound = Bound.parse("accuracy_drop", "<= 0.5 pp")
    assert bound.judge(Measured(0.9 - 0.895, -0.01, 0.02)).met
    assert not bound.judge(Measured(0.0051)).met
    assert Bound.parse("params_reduction", ">= 99.6 %").judge(Measured(0.996)).met
    assert not Bound.parse("arena", "<= 1 KiB").judge(Measured(1025)).met


def test_numbers_beyond_all_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="more than any number"):
        units.parse("1e400 KiB", "bytes")
