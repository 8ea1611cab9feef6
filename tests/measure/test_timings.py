"""What `bench.py` writes is read strictly, since anybody may have written it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support import timings
from support.optional import none_missing

from tinyc.core import units
from tinyc.core.errors import UserError
from tinyc.measure.bench_bounds import judge
from tinyc.measure.timings import read_timings


def test_the_fastest_number_of_threads_is_found() -> None:
    found = read_timings(json.dumps(timings.document()), "measured.json")
    assert found.fastest.threads == 2
    assert (found.fastest.load, found.fastest.cold) == (0.3, 0.07)


BAD: dict[str, tuple[Any, str]] = {
    "another format": (timings.changed("format", "tinyc bench 2"), "format: "),
    "no sha256": (timings.changed("sha256", "abc"), "sha256: "),
    "sha256 and a line": (timings.changed("sha256", "a" * 64 + "\n"), "sha256: "),
    "an unknown key": (timings.document(more=1), "more: "),
    "negative": (timings.changed("results.1.warm.min", -1.0), "results.1.warm.min: "),
    "zero": (timings.changed("results.0.cold_seconds.2", 0.0), "results.0.cold_seconds.2: "),
    "more than a day": (timings.changed("results.0.load_seconds.0", 1e9), "results.0.load_seconds.0: "),
    "a word": (timings.changed("results.0.warm.median", "0.1"), "results.0.warm.median: "),
    "a least that is not": (timings.changed("results.0.warm.min", 0.029), "not in order"),
    "out of order": (timings.changed("results.0.warm.p95", 0.001), "not in order"),
    "no threads": (timings.changed("results.0.threads", 0), "results.0.threads: "),
    "many threads": (timings.changed("results.0.threads", 257), "results.0.threads: "),
    "threads twice": (timings.changed("results.0.threads", 2), "two results are of one number of threads"),
    "no result": (timings.document(results=[]), "results: "),
    "too many results": (timings.document(results=[timings.result(1)] * 257), "results: "),
    "too many starts": (timings.changed("results.0.cold_seconds", [0.1] * 1001), "results.0.cold_seconds: "),
    "no start": (timings.changed("results.0.load_seconds", []), "results.0.load_seconds: "),
    "no runs": (timings.changed("results.0.warm.runs", 0), "results.0.warm.runs: "),
    "a long name": (timings.changed("machine.name", "x" * 201), "machine.name: "),
    "no name": (timings.changed("machine.name", ""), "machine.name: "),
    "no date": (timings.changed("date", "yesterday"), "date: "),
    "a date that is none": (timings.changed("date", "2026-13-40T12:00:00Z"), "date: "),
    "a size below zero": (timings.changed("inputs.0.shape.0", -1), "inputs.0.shape.0: "),
    "a failure": ({"failure": {"kind": "file", "problem": "no"}}, "format: "),
    "a list": ([timings.document()], "is not what bench.py writes: "),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_have_been_measured_is_refused(name: str) -> None:
    table, said = BAD[name]
    with pytest.raises(UserError) as caught:
        read_timings(json.dumps(table), "measured.json")
    assert caught.value.where == "measured.json"
    assert said in caught.value.problem


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_figures_are_finite(word: str) -> None:
    text = json.dumps(timings.changed("results.0.warm.max", 0.125)).replace("0.125", word)
    with pytest.raises(UserError, match=r"is not what bench\.py writes"):
        read_timings(text, "measured.json")


@pytest.mark.parametrize("text", ["", "{", "[" * 10_000, "null", '{"format": "tinyc bench 1"'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"is not what bench\.py writes"):
        read_timings(text, "measured.json")


def test_bounds_are_judged_on_the_fastest_median() -> None:
    found = timings.timings()
    fps, latency = judge(found, 50.0, 0.02)
    assert (fps.met, latency.met) == (True, True)
    assert fps.got == pytest.approx(50)
    for check in (fps, latency):
        low, got, high = none_missing(check.low, check.got, check.high)
        assert low < got < high
    fps, latency = judge(found, 50.1, 0.0199)
    assert (fps.why, latency.why) == ("50.0 frames/s is not >= 50.1", "20.0 ms is not <= 19.9 ms")
    assert judge(found, None, None) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.512e-6, "4.51 us"), (0.0000999, "99.9 us"), (0.0009996, "1.00 ms"), (0.0333, "33.3 ms"),
        (0.9996, "1.00 s"), (12.34, "12.3 s"), (1234.5, "1,234 s"),
    ],
)  # fmt: skip
def test_latencies_have_three_digits(seconds: float, text: str) -> None:
    assert units.show_latency(seconds) == text
