"""A run on a board: only what is written for the device is done again, and the report says what it takes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tinyc import cli
from tinyc.measure import device_latency
from tinyc.measure.latency import Estimate
from tinyc.spec.load import load

BOARD = """
name = "mine"
title = "A board of mine"
core = "cortex-m4"
clock_mhz = 64
dsp = true
flash_bytes = 1048576
flash_kind = "internal"
model_flash_bytes = 262144
model_ram_bytes = 65536
runtime = "chirale"
runtimes = ["chirale", "zephyr-4.4"]
[[ram]]
name = "RAM"
bytes = 131072
"""


def on_board(folder: Path, section: str, *more: str, board: str = BOARD) -> tuple[int, dict[str, Any]]:
    """Run the small recipe of a folder with [device], and give the exit code and the report."""
    (folder / "mine.toml").write_text(board)
    path = folder / "on-a-board.toml"
    path.write_text(f'extends = "small.toml"\n{section}\n')
    code = cli.invoke(["compress", str(path), "--out", str(folder / "runs"), *more])
    return code, json.loads((folder / "runs" / "small" / "report.json").read_text())


@pytest.fixture
def folder(undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run, its own to go on with."""
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
    return Path(shutil.copytree(undisturbed, tmp_path / "finished", ignore=shutil.ignore_patterns("cache")))


@pytest.mark.slow
def test_a_finished_run_goes_to_a_board(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = on_board(folder, '[device]\nboard = "mine.toml"')
    told = capsys.readouterr().out
    assert code == 0
    assert [step["cached"] for step in report["steps"] if step["pass"] not in ("export", "verify")] == [True] * 3
    assert not next(step["cached"] for step in report["steps"] if step["pass"] == "export")
    device, final = report["device"], report["final"]
    assert device["arena_bytes"] == final["arena_bytes"] + device["scratch_bytes"]
    assert device["scratch_bytes"] > 0
    assert device["flash_bytes"] == final["flash_bytes"]
    assert device["latency"]["basis"] == "estimate"
    bounds = {check["metric"]: check for check in report["targets"]}
    assert bounds["flash"]["bound"] == "<= 256 KiB"
    assert bounds["flash"]["default"] == "mine"
    assert bounds["arena"]["default"] is None
    assert bounds["arena"]["got"] == device["arena_bytes"]
    header = (folder / "runs" / "small" / "model_data.h").read_text()
    assert f"#define MODEL_ARENA_BYTES {device['arena_bytes']}\n" in header
    assert "on A board of mine with " in told
    again = load(str(folder / "runs" / "small" / "recipe.toml")).device
    assert again is not None
    assert again.board is not None
    assert again.board.title == "A board of mine"
    assert {each["name"]: each["verdict"] for each in report["runtimes"]}["chirale"] == "runs"


@pytest.mark.slow
def test_a_latency_that_is_estimated_is_no_measurement(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of so small a network there is no estimate; the figures are another's."""
    monkeypatch.setattr(device_latency, "estimate", lambda *_: Estimate(20, 30, 40, (), "of four networks"))
    section = '[device]\nboard = "mine.toml"\n[targets]\nlatency = "<= 10 s"\nfps = ">= 0.1"'
    code, report = on_board(folder, section)
    said = capsys.readouterr().err
    assert code == 0
    assert "all targets met; met by estimate: latency, fps" in said
    latency = next(check for check in report["targets"] if check["metric"] == "latency")
    assert (latency["basis"], latency["got"], latency["low"]) == ("estimate", 0.04, 0.02)
    code, report = on_board(folder, section, "--strict")
    assert code == 1
    assert "target missed: latency, fps" in capsys.readouterr().err
    assert "--strict" in next(check["why"] for check in report["targets"] if check["metric"] == "fps")


@pytest.mark.slow
def test_without_an_estimate_a_latency_is_not_met(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unknown = BOARD.replace("clock_mhz = 64\n", "")
    code, report = on_board(folder, '[device]\nboard = "mine.toml"\n[targets]\nlatency = "<= 10 s"', board=unknown)
    assert code == 1
    latency = next(check for check in report["targets"] if check["metric"] == "latency")
    assert (latency["got"], latency["met"]) == (None, False)
    assert "no source tells the clock of A board of mine" in latency["why"]
    assert "latency" in capsys.readouterr().err


@pytest.mark.slow
def test_what_the_runtime_lacks_ends_the_run_before_a_file_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = """
name = "bare"
title = "A bare runtime"
[operators]
CONV_2D = ["int8"]
FULLY_CONNECTED = ["int8"]
"""
    (folder / "bare.toml").write_text(runtime)
    (folder / "mine.toml").write_text(BOARD)
    path = folder / "bare-board.toml"
    path.write_text('extends = "small.toml"\nname = "bare"\n[device]\nruntime = "bare.toml"\n')
    for command in ("plan", "compress"):
        more = ["--out", str(folder / "runs")] if command == "compress" else []
        assert cli.invoke([command, str(path), *more]) == 2
        said = capsys.readouterr().err
        assert "A bare runtime: ADD is not in it (" in said
        assert "or choose a `runtime` that computes it: " in said
    assert not (folder / "runs" / "bare" / "model.tflite").exists()
