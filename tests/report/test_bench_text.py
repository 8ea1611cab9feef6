"""The table of a measurement: its columns, and what stands beside it."""

from __future__ import annotations

import pytest
from support import timings

from tinyc.report.bench_text import text

MACHINE = timings.document()["machine"]


def shown(**changes: object) -> str:
    return text("model.tflite", timings.timings(**changes), [])


def test_the_columns() -> None:
    lines = shown().splitlines()
    start = next(place for place, line in enumerate(lines) if "threads" in line)
    assert [line.split() for line in lines[start : start + 4]] == [
        ["threads", "median", "5", "%", "95", "%", "min", "frames/s", "cold", "load"],
        ["1", "30.0", "ms", "28.5", "ms", "36.0", "ms", "27.0", "ms", "33.3", "70.0", "ms", "300", "ms"],
        ["2", "20.0", "ms", "19.0", "ms", "24.0", "ms", "18.0", "ms", "50.0", "70.0", "ms", "300", "ms"],
        ["4", "25.0", "ms", "23.8", "ms", "30.0", "ms", "22.5", "ms", "40.0", "70.0", "ms", "300", "ms"],
    ]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ((True, True), "2.14.0, with XNNPACK"),
        ((False, False), "2.14.0, without XNNPACK"),
        ((True, False), "2.14.0, in part with XNNPACK"),
    ],
)
def test_xnnpack_is_named_as_it_was_told(told: tuple[bool, bool], said: str) -> None:
    results = [timings.result(threads) | {"xnnpack": each} for threads, each in enumerate(told, 1)]
    assert said in shown(results=results)


def test_a_busy_machine_is_named() -> None:
    assert "busy" not in shown()
    assert "a load of 6.7 on 4 cores" in shown(machine=MACHINE | {"load_average": 6.7})


@pytest.mark.parametrize("median", [1e-6, 0.0123, 80.0, 40_000.0])
def test_it_fits_eighty_columns(median: float) -> None:
    machine = MACHINE | {"name": "a board " * 20, "system": "x" * 200, "load_average": 99.9}
    inputs = [{"type": "int8", "shape": [1, 96, 96, 3], "values": "random"}] * 9
    lines = shown(machine=machine, inputs=inputs, results=[timings.result(256, median)]).splitlines()
    assert max(map(len, lines)) <= 80


def test_nothing_of_another_machine_is_obeyed_by_a_terminal() -> None:
    assert "\x1b" not in shown(machine=MACHINE | {"name": "\x1b[31mred"}, runtime="\x1b[31m 1")


def test_runs_and_starts_are_counted() -> None:
    first, second = timings.result(1), timings.result(2)
    second["warm"]["runs"] = 7
    assert "; 7 to 50 warm inferences" in shown(results=[first, second])
    one = timings.result() | {"cold_seconds": [0.1], "load_seconds": [0.1]}
    assert "of one process" in " ".join(shown(results=[one], inputs=[]).split())
    assert "no input; 50 warm inferences" in shown(results=[one], inputs=[])
