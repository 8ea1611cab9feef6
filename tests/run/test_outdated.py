"""Steps on disk that another tinyc made: they are done again with today's figures, and that is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tinyc import cli
from tinyc.core.run_folder import MANIFEST

STEPS = ("0 source", "1 distill", "2 prune", "3 quantize", "4 export", "5 verify")


@pytest.fixture
def older(undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished run as a tinyc without numbers left it: other keys, and an arena that does not start."""
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
    shutil.copytree(undisturbed / "runs" / "small", tmp_path / "runs" / "small")
    folder = tmp_path / "runs" / "small"
    for step in folder.glob("0*-*"):
        table = json.loads((step / MANIFEST).read_text())
        del table["numbers"]
        if table["ledger"]["arena_bytes"]:
            table["ledger"]["arena_bytes"] = 16
        (step / MANIFEST).write_text(json.dumps(table))
        step.rename(step.with_name(step.name[:-12] + "0" * 12))
    return tmp_path / "runs"


def compress(undisturbed: Path, out: Path) -> dict[str, Any]:
    assert cli.invoke(["compress", str(undisturbed / "small.toml"), "--out", str(out)]) == 0
    found: dict[str, Any] = json.loads((out / "small" / "report.json").read_text())
    return found


@pytest.mark.slow
def test_a_run_folder_from_before_shows_todays_arena_and_is_of_today_then(
    undisturbed: Path, older: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = json.loads((undisturbed / "runs" / "small" / "report.json").read_text())["final"]["arena_bytes"]
    found = compress(undisturbed, older)
    said = capfd.readouterr().out
    assert found["final"]["arena_bytes"] == expected > 16
    assert not any(step["cached"] for step in found["steps"])
    assert "computed or measured differently" in " ".join(said.split())
    for step in STEPS:
        assert step in " ".join(said.split())
    # The trained source is no figure: it comes from the cache.
    assert "train the source" not in said
    assert all(step["cached"] for step in compress(undisturbed, older)["steps"])
    assert "differently" not in capfd.readouterr().out


@pytest.mark.slow
def test_a_report_of_older_figures_is_shown_as_that(
    undisturbed: Path, older: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = older / "small"
    for step in run.glob("0*-*"):
        key = json.loads((step / MANIFEST).read_text())["key"]
        step.rename(step.with_name(step.name[:-12] + key[:12]))
    assert cli.invoke(["report", str(run)]) == 0
    assert "computed or measured differently" in " ".join(capsys.readouterr().out.split())
    assert cli.invoke(["compare", str(run), str(undisturbed / "runs" / "small")]) == 0
    assert capsys.readouterr().err.count("computed or measured differently") == 1
