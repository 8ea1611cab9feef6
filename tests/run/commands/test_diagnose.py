"""`tinyc diagnose` on a run whose recipe clips half of every range, and the same said by the run itself."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from support import small

from tinyc import cli

Shown = pytest.CaptureFixture[str]
RECIPE = """
name = "clipped"
seed = 5

[source]
build = "net.py:net"
train = { epochs = 12, batch = 32, learning_rate = 5e-3 }

[data]
path = "images.npz"
scale = 0.00392156862745098
validation = 50
calibration = 40

[[pass]]
use = "quantize"
calibrate = "percentile"
percentile = 60
expect = { accuracy_drop = "<= 1 pp" }
"""


@pytest.fixture(scope="module")
def clipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run that loses more than its limit, with its cache, and what its terminal said."""
    folder = tmp_path_factory.mktemp("clipped")
    recipe = small.write(folder, RECIPE)
    heard: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYC_CACHE", str(folder / "cache"))
        patch.setattr("tinyc.report.terminal.Plain.say", lambda _, text: heard.append(text))
        assert cli.invoke(["compress", str(recipe), "--out", str(folder / "runs")]) == 1
    return folder, "\n".join(heard)


@pytest.fixture(scope="module")
def tried(clipped: tuple[Path, str]) -> dict[str, Any]:
    """What `--try --json` prints."""
    folder, _ = clipped
    with pytest.MonkeyPatch.context() as patch, io.StringIO() as shown:
        patch.setenv("TINYC_CACHE", str(folder / "cache"))
        with contextlib.redirect_stdout(shown):
            assert cli.invoke(["diagnose", str(folder / "runs" / "clipped"), "--try", "--json"]) == 0
        table: dict[str, Any] = json.loads(shown.getvalue())
    return table


def test_a_run_that_loses_too_much_says_why(clipped: tuple[Path, str]) -> None:
    folder, heard = clipped
    assert "quantize loses" in heard
    assert "which is not <= 1 pp: saturation in " in heard
    assert f"(tinyc diagnose {folder / 'runs' / 'clipped'})" in heard
    step = json.loads((folder / "runs" / "clipped" / "report.json").read_text())["steps"][0]
    first = step["facts"]["diagnosis"]["causes"][0]
    assert first["cause"] == "saturation"
    assert first["add"].startswith('percentile = 99.99 or calibrate = "minmax"')
    assert "outside its range" in (folder / "runs" / "clipped" / "report.md").read_text()


def test_diagnose_ranks_the_causes(clipped: tuple[Path, str], capsys: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = clipped
    monkeypatch.setenv("TINYC_CACHE", str(folder / "cache"))
    assert cli.invoke(["diagnose", str(folder / "runs" / "clipped")]) == 0
    text = capsys.readouterr().out
    assert "1. saturation in " in text
    assert "add  percentile = 99.99" in text
    assert "50 validation and 40 calibration examples" in text
    assert max(map(len, text.splitlines())) <= 120


def test_trying_finds_what_helps(tried: dict[str, Any]) -> None:
    assert tried["split"] == "validation"
    assert tried["test"]["after"] < tried["test"]["before"]
    trials = {trial["what"]: trial for trial in tried["trials"]}
    base, minmax = trials["as it is"], trials['calibrate = "minmax"']
    assert base["gain"] == 0
    assert minmax["helped"] is True
    assert minmax["accuracy"] == pytest.approx(base["accuracy"] + minmax["gain"])
    assert minmax["tflm"] is True
    assert minmax["file_bytes"] > 0
    assert {layer["layer"] for layer in tried["layers"]} >= {"stem", "body", "neck", "logits"}


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: Shown) -> None:
    assert cli.invoke(["diagnose", str(tmp_path)]) == 2
    assert "holds no recipe.toml" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sound_run_gives_no_alarm(undisturbed: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
    assert cli.invoke(["diagnose", str(undisturbed / "runs" / "small"), "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert {cause["kind"] for cause in table["causes"]} <= {"dead channels"}
    assert table["notes"]


def test_a_refused_trial_says_why(tried: dict[str, Any]) -> None:
    refused = next(trial for trial in tried["trials"] if "int16" in trial["what"] and trial["accuracy"] is None)
    assert refused["problem"].startswith("`calibrate` belongs to activations = ")
