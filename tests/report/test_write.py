"""report.json: the schema, the round trip, what is refused, and writing whole files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import example

from tinyc.core.errors import MachineError, UserError
from tinyc.report import write
from tinyc.report.record import Report, difference
from tinyc.report.views import Views

NUMBER = (int, float)
LEDGER = {
    "params", "nonzero_params", "macs", "weight_bytes", "metadata_bytes", "file_bytes", "gzip_bytes", "flash_bytes",
    "arena_bytes", "accuracy", "accuracy_low", "accuracy_high", "per_class", "metric", "examples", "runtime",
    "predicted", "sensor_bytes_per_second", "sent_bytes_per_second", "recordings",
    "uncounted",
}  # fmt: skip
CHECK = {"metric", "bound", "got", "low", "high", "met", "why", "default", "basis"}
STEP = {
    "index",
    "pass",
    "key",
    "cached",
    "seconds",
    "before",
    "after",
    "delta",
    "delta_source",
    "checks",
    "facts",
    "skipped",
    "told",
}
REPORT = {
    "schema", "recipe", "recipe_sha256", "seed", "tinyc", "versions", "machine", "source", "final", "met", "seconds",
    "steps", "targets", "artifacts", "source_time", "told", "next_steps", "device", "runtimes",
}  # fmt: skip
CHANGED = ("before", "after")
Change = Callable[[dict[str, Any]], Any]


def table() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(write.to_json(example.REPORT, example.VIEWS))
    return loaded


def test_the_keys_are_those_of_schema_1() -> None:
    found = table()
    assert set(found) == REPORT | {"views"}
    assert found["schema"] == 1
    for step in found["steps"]:
        assert set(step) == STEP
        assert isinstance(step["pass"], str)
        assert all(set(check) == CHECK for check in step["checks"])
        assert all(set(skip) == {"layer", "why"} for skip in step["skipped"])
    for ledger in (found["source"], found["final"], *(step["after"] for step in found["steps"])):
        assert set(ledger) == LEDGER
        assert ledger["predicted"] == []
    assert all(set(check) == CHECK for check in found["targets"])
    assert all(set(artifact) == {"path", "bytes", "sha256"} for artifact in found["artifacts"])
    assert isinstance(found["seconds"], NUMBER)


@pytest.mark.parametrize("views", [example.VIEWS, None])
def test_written_and_read_again_it_is_the_same(tmp_path: Path, views: Views | None) -> None:
    paths = write.write_all(example.REPORT, views, tmp_path)
    assert {path.name for path in paths} == {path.name for path in tmp_path.iterdir()}
    assert write.read_report(tmp_path) == (example.REPORT, views)
    assert write.read_report(tmp_path / "report.json") == (example.REPORT, views)


def test_the_empty_list_of_schema_1_that_nothing_reads_may_be_missing(tmp_path: Path) -> None:
    found = table()
    for ledger in (found["source"], found["final"], *(step[when] for step in found["steps"] for when in CHANGED)):
        del ledger["predicted"]
    (tmp_path / "report.json").write_text(json.dumps(found))
    assert write.read_report(tmp_path) == (example.REPORT, example.VIEWS)


def test_difference_is_after_minus_before_and_none_where_either_is() -> None:
    change = difference(example.QUANTIZED, example.DISTILLED)
    assert change["params"] == 70_114 - 77_706
    assert change["accuracy"] == pytest.approx(-0.0038)
    assert change["arena_bytes"] is None
    assert set(change) <= LEDGER


def test_numbers_that_json_cannot_hold_become_null() -> None:
    step = replace(example.STEPS[0], facts={"loss": float("nan"), "nested": [{"x": float("inf")}]})
    text = write.to_json(replace(example.REPORT, steps=(step,)))
    assert json.loads(text)["steps"][0]["facts"] == {"loss": None, "nested": [{"x": None}]}


def drop(*path: Any) -> Change:
    def change(found: Any) -> None:
        for key in path[:-1]:
            found = found[key]
        del found[path[-1]]

    return change


def put(value: Any, *path: Any) -> Change:
    def change(found: Any) -> None:
        for key in path[:-1]:
            found = found[key]
        found[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(2, "schema"), "has schema 2; this tinyc reads schema 1"),
        (drop("schema"), "has schema null"),
        (drop("final"), "final is missing"),
        (put("7", "seed"), 'seed: input should be a valid integer, found "7"'),
        (put(1, "surprise"), "surprise is an unknown key"),
        (put("many", "source", "params"), "source.params"),
        (put(1, "final", "weight"), "final.weight is an unknown key"),
        (drop("steps", 1, "pass"), "steps.1.pass is missing"),
        (put("x", "steps", 0, "use"), "unknown key"),
        (put({}, "steps"), "steps"),
        (put("metal", "final", "runtime"), "final.runtime"),
        (put(["macs"], "final", "predicted"), "final.predicted is an unknown key"),
        (put(["macs"], "steps", 0, "after", "predicted"), "steps.0.after.predicted is an unknown key"),
        (put([[1]], "views", "final_confusion"), "final_confusion is not 10 x 10"),
        (put(10, "views", "samples", 3, "label"), "example 51 has a label outside 0..9"),
        (put(1, "views", "more"), "more is an unknown key"),
    ],
)
def test_a_report_that_does_not_fit_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    found = table()
    change(found)
    (tmp_path / "report.json").write_text(json.dumps(found))
    with pytest.raises(UserError, match=r"report\.json") as caught:
        write.read_report(tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"schema": NaN}', "\ufffe", "[" * 100_000])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError, match=r"report\.json"):
        write.read_report(tmp_path)


def test_no_report_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no report here"):
        write.read_report(tmp_path)


def test_a_folder_that_cannot_be_written_is_the_machines_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot be written"):
        write.write_all(example.REPORT, None, tmp_path / "file")


def test_a_report_stays_whole_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write.write_all(example.REPORT, example.VIEWS, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MachineError, match="No space left"):
        write.write_all(replace(example.REPORT, seed=8), example.VIEWS, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert isinstance(write.read_report(tmp_path)[0], Report)
