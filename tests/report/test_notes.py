"""What stands beside the figures of sensor data: in the terminal, in Markdown and in HTML, and nowhere else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from support import example

from tinyc.core import units
from tinyc.report import html, lines, markdown, notes, write
from tinyc.report.plain import plain
from tinyc.report.record import Report


def sensed(recordings: int | None = 38, **facts: Any) -> Report:
    known: dict[str, Any] = {
        "sensor_bytes_per_second": 600.0,
        "sent_bytes_per_second": 0.78125,
        "recordings": recordings,
    }
    stream = {"sensor_bytes_per_second": 600.0, **facts}
    steps = (replace(example.STEPS[0], use="preprocess", facts={"stream": stream}), *example.STEPS[1:])
    return replace(
        example.REPORT, source=replace(example.SOURCE, **known), final=replace(example.EXPORTED, **known), steps=steps
    )


RESAMPLED = "95 % intervals resample the 38 recordings of the test split, not its 4,000 examples"
BANDWIDTH = (
    "the sensor makes 600 B/s; 50 B/s would leave the device after preprocessing at one byte a value, 0.781 B/s after "
    "inference at one byte a decision (99.87 % less); protocol overhead excluded"
)


def test_every_page_says_it() -> None:
    report = sensed(after_preprocessing_bytes_per_second=50)
    assert notes.notes(report) == (RESAMPLED, BANDWIDTH)
    shown = [line.plain for line in lines.end(report, 120)]
    assert RESAMPLED in shown
    assert BANDWIDTH in shown
    page = markdown.render(report)
    assert f"{RESAMPLED}.\n" in page
    assert f"T{BANDWIDTH[1:]}.\n" in page
    rows = [line.split(" | ") for line in page.splitlines()]
    assert [row[1] for row in rows if row[0] in ("| test recordings", "| the sensor makes", "| after inference")] == [
        "38", "600 B/s", "0.781 B/s",
    ]  # fmt: skip
    web = html.render(report)
    assert f"{RESAMPLED}." in web
    assert f"T{BANDWIDTH[1:]}." in web


def test_nothing_is_said_of_data_without_recordings_and_rate() -> None:
    assert notes.notes(example.REPORT) == ()
    for page in (markdown.render(example.REPORT), html.render(example.REPORT, example.VIEWS)):
        assert "recordings" not in page
        assert "B/s" not in page


@pytest.mark.parametrize("facts", [{}, {"after_preprocessing_bytes_per_second": True}, {"other": 3.0}])
def test_without_preprocessing_two_figures_are_left(facts: dict[str, Any]) -> None:
    assert "the sensor makes 600 B/s; 0.781 B/s after inference" in notes.bandwidth(sensed(**facts))


def test_one_recording_is_named_as_the_reason_for_no_intervals() -> None:
    assert notes.resampled(sensed(1).final) == "no 95 % intervals: all test examples come from one recording"


def test_the_report_reads_back_with_and_without_the_new_figures() -> None:
    report = sensed()
    table = json.loads(write.to_json(report))
    assert Report.from_json(table, "report.json") == report
    for part in (table["source"], table["final"]):
        for name in ("sensor_bytes_per_second", "sent_bytes_per_second", "recordings"):
            del part[name]
    assert Report.from_json(table, "report.json").final == example.EXPORTED


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.78125, "0.781 B/s"), (50, "50 B/s"), (600, "600 B/s"), (32000, "31.2 KiB/s")]
)
def test_rates(value: float | None, shown: str) -> None:
    assert units.show(value, "bytes/s") == shown


def test_every_page_says_what_one_scale_costs_and_which_firmware_goes_wrong() -> None:
    facts = {
        "per_channel_dense": {"layers": ["logits", "\x1b[31mhidden"], "runtimes": "..."},
        "one_scale_dense": {"says": "one scale for each Dense layer costs 7.00 pp"},
    }
    steps = (*example.STEPS[:2], replace(example.STEPS[2], facts=facts), *example.STEPS[3:])
    report = replace(example.REPORT, steps=steps)
    wrong, cost = notes.notes(report)
    assert cost == "one scale for each Dense layer costs 7.00 pp"
    assert wrong.startswith("FULLY_CONNECTED with a scale for each output (logits, ")
    assert "Arduino_TensorFlowLite, Chirale_TensorFlowLite 2.0.0" in wrong
    assert wrong.endswith("per_channel_dense = false in the recipe suits all of them")
    shown = [line.plain for line in lines.end(report, 120)]
    assert cost in shown
    assert plain(wrong) in shown
    assert not any("\x1b" in line for line in shown)
    page, web = markdown.render(report), html.render(report)
    assert "FULLY\\_CONNECTED with a scale for each output" in page
    assert "Arduino\\_TensorFlowLite" in page
    assert "FULLY_CONNECTED with a scale for each output" in web
    assert all("ne scale for each Dense layer costs 7.00 pp." in each for each in (page, web))


@pytest.mark.parametrize("facts", [{"per_channel_dense": True}, {"per_channel_dense": {"layers": 3}}])
def test_facts_of_another_shape_say_nothing(facts: dict[str, Any]) -> None:
    steps = (*example.STEPS[:2], replace(example.STEPS[2], facts=facts), *example.STEPS[3:])
    assert notes.notes(replace(example.REPORT, steps=steps)) == ()
