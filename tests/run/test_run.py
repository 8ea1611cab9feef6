"""The whole pipeline on a small network and real images: run, resumed, killed, shared, damaged."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import small

from tinyc import cli

ARTIFACTS = ("model.tflite", "model_data.cc", "model_data.h", "test_vectors.cc", "test_vectors.h", "model.hex")


def run(recipe: Path, out: Path, *more: str) -> int:
    return cli.invoke(["compress", str(recipe), "--out", str(out), *more])


def report(out: Path, name: str = "small") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / name / "report.json").read_text())
    return found


def hashes(out: Path, name: str = "small") -> dict[str, str]:
    return {file: hashlib.sha256((out / name / file).read_bytes()).hexdigest() for file in ARTIFACTS}


@pytest.mark.slow
def test_the_report_says_what_was_measured(undisturbed: Path) -> None:
    found = report(undisturbed / "runs")
    assert found["schema"] == 1
    assert found["met"] is True
    assert [step["pass"] for step in found["steps"]] == ["distill", "prune", "quantize", "export", "verify"]
    assert found["source"]["runtime"] == "keras"
    assert found["source"]["arena_bytes"] is None
    assert found["final"]["runtime"] == "tflm"
    assert found["final"]["arena_bytes"] > 0
    assert found["final"]["examples"] == 200
    content = (undisturbed / "runs" / "small" / "model.tflite").read_bytes()
    assert found["final"]["file_bytes"] == len(content)
    for artifact in found["artifacts"]:
        data = (undisturbed / "runs" / "small" / artifact["path"]).read_bytes()
        assert (artifact["bytes"], artifact["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    for step in found["steps"]:
        for metric, change in step["delta"].items():
            after, before = step["after"][metric], step["before"][metric]
            assert change == (None if after is None or before is None else pytest.approx(after - before))
    reduction = next(check for check in found["targets"] if check["metric"] == "params_reduction")
    assert reduction["got"] == pytest.approx(1 - found["final"]["params"] / found["source"]["params"])
    verify = found["steps"][-1]["facts"]
    assert verify["agreed"] is True


@pytest.mark.slow
def test_the_source_row_takes_the_training_and_the_rows_fit_into_the_whole(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(undisturbed / "runs")
    took = found["source_time"]
    assert (took["trained"], took["cached"]) == ("here", False)
    assert 0 < took["training_seconds"] < took["seconds"]
    rows = [took["seconds"], *(step["seconds"] for step in found["steps"])]
    assert sum(rows) < found["seconds"]
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
    assert run(undisturbed / "small.toml", tmp_path) == 0
    again = report(tmp_path)["source_time"]
    assert (again["trained"], again["training_seconds"]) == ("earlier", took["training_seconds"])
    assert "trained by an earlier run in" in capsys.readouterr().out
    began = time.monotonic()
    assert run(undisturbed / "small.toml", tmp_path) == 0
    waited = time.monotonic() - began
    assert report(tmp_path)["source_time"] == again | {"cached": True}
    assert report(tmp_path)["seconds"] < waited
    assert "every row is cached" in capsys.readouterr().out


@pytest.mark.slow
def test_nothing_is_done_twice(undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
    recipe, out = str(undisturbed / "small.toml"), str(undisturbed / "runs")
    code = (
        "import sys; from tinyc import cli\n"
        f"code = cli.invoke(['compress', {recipe!r}, '--out', {out!r}])\n"
        "sys.exit(9 if 'tensorflow' in sys.modules else code)"
    )
    before = hashes(undisturbed / "runs")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(step["cached"] for step in report(undisturbed / "runs")["steps"])
    assert hashes(undisturbed / "runs") == before


@pytest.mark.slow
def test_a_run_that_is_killed_twice_goes_on_to_the_same_bytes(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYC_CACHE", str(tmp_path / "cache"))
    recipe, out = small.write(tmp_path), tmp_path / "runs"
    command = [sys.executable, "-c", "from tinyc.cli import main; main()", "compress", str(recipe), "--out", str(out)]
    finished = []
    for kill_after in ("distill", "quantize"):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while not list(out.glob(f"small/*-{kill_after}-*")) and process.poll() is None:
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
        assert not (out / "small" / "report.json").exists()
        finished += [(step, step.stat().st_mtime_ns) for step in out.glob(f"small/*-{kill_after}-*")]
    assert run(recipe, out) == 0
    steps = report(out)["steps"]
    assert [step["cached"] for step in steps[:3]] == [True, True, True]
    assert not steps[-1]["cached"]
    assert len(finished) == 2
    assert [step.stat().st_mtime_ns for step, _ in finished] == [when for _, when in finished]
    assert hashes(out) == hashes(undisturbed / "runs")


@pytest.mark.slow
def test_a_changed_target_takes_the_name_and_shares_the_steps(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest run has the name, the earlier one keeps all that it has, and comes back without any work."""
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
    out = tmp_path / "runs"
    shutil.copytree(undisturbed / "runs" / "small", out / "small")
    before = report(out)
    kept = out / f"small-{before['recipe_sha256'][:8]}"
    assert run(undisturbed / "small.toml", out, "--set", "targets.arena=<= 1 KiB") == 1
    assert f"it is {kept} now" in " ".join(capsys.readouterr().out.split())
    changed = report(out)
    assert changed["met"] is False
    assert all(step["cached"] for step in changed["steps"])
    arena = next(check for check in changed["targets"] if check["metric"] == "arena")
    assert (arena["met"], arena["got"]) == (False, before["final"]["arena_bytes"])
    assert report(out, kept.name) == before
    assert hashes(out, kept.name) == hashes(out)
    assert cli.invoke(["report", str(kept)]) == 0
    assert cli.invoke(["compare", str(kept), str(out / "small")]) == 0
    assert cli.invoke(["compress", str(kept / "recipe.toml"), "--out", str(out)]) == 0
    back = report(out)
    assert (back["recipe_sha256"], back["met"]) == (before["recipe_sha256"], True)
    assert all(step["cached"] for step in back["steps"])
    assert sorted(path.name for path in out.iterdir()) == ["small", f"small-{changed['recipe_sha256'][:8]}"]


@pytest.mark.slow
def test_the_recipe_of_a_run_runs_from_its_folder(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same run: the same sha, the files of the first recipe, and nothing done again, from anywhere."""
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
    monkeypatch.chdir(tmp_path)
    recipe, out = undisturbed / "runs" / "small" / "recipe.toml", undisturbed / "runs"
    before = report(out)
    assert run(recipe, out) == 0
    assert report(out)["recipe_sha256"] == before["recipe_sha256"]
    assert all(step["cached"] for step in report(out)["steps"])
    assert cli.invoke(["check", str(recipe)]) == 0


FILE = """
name = "small"
source = { file = "runs/small/02-prune-0/net.h5" }
data = { path = "images.npz" }
[[pass]]
use = "quantize"
"""


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("02-prune-0/net.h5", FILE),
        ("recipe.toml", 'extends = "runs/small/recipe.toml"\nseed = 6\n'),
        ("images.npz", small.RECIPE.replace("images.npz", "runs/small/images.npz")),
        ("net.py", small.RECIPE.replace('student = { build = "net.py', 'student = { build = "runs/small/net.py')),
        ("net.py", small.RECIPE.replace("width = 6", 'width = 6, from = "runs/small/net.py"')),
        ("net.py", small.RECIPE.replace('"net.py:net"\ntrain', '"net.py:net"\nweights = "link.py"\ntrain')),
    ],
)
def test_a_recipe_that_needs_the_folder_in_its_way_is_refused_before_the_move(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], inside: str, text: str
) -> None:
    folder = tmp_path / "runs" / "small"
    needed = folder / inside
    needed.parent.mkdir(parents=True)
    small.write(tmp_path, train=120, test=60)
    shutil.copy(tmp_path / "images.npz", folder)
    shutil.copy(tmp_path / "net.py", folder)
    (tmp_path / "link.py").symlink_to(folder / "net.py")
    (folder / "recipe.toml").write_text(small.RECIPE)
    (folder / "origin.json").write_text(json.dumps({"recipe_sha256": "a" * 64, "recipe": str(tmp_path / "small.toml")}))
    if not needed.exists():
        needed.write_bytes(b"a network")
    (tmp_path / "new.toml").write_text(text)
    assert run(tmp_path / "new.toml", tmp_path / "runs") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path / 'new.toml'}: the recipe needs {needed}, and {folder} has to move")
    assert "give the recipe another name than 'small'" in said
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["small"]


def test_a_recipe_that_a_run_would_write_over_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = small.write(tmp_path / "small", train=120, test=60).rename(tmp_path / "small" / "recipe.toml")
    assert run(recipe, tmp_path) == 2
    assert "a run writes its own recipe.toml over yours" in capsys.readouterr().err
    assert recipe.read_text() == small.RECIPE


@pytest.mark.slow
def test_a_damaged_step_is_set_aside_and_done_again(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
    out = tmp_path / "runs"
    (out / "small").mkdir(parents=True)
    for step in (undisturbed / "runs" / "small").glob("0*"):
        shutil.copytree(step, out / "small" / step.name)
    shutil.copy(undisturbed / "runs" / "small" / "origin.json", out / "small")
    victim = next((out / "small").glob("04-export-*")) / "model.tflite"
    victim.write_bytes(victim.read_bytes()[:-100])
    assert run(undisturbed / "small.toml", out) == 0
    assert list((out / "small").glob("*.damaged-1"))
    assert [step["cached"] for step in report(out)["steps"]] == [True, True, True, False, True]
    assert hashes(out) == hashes(undisturbed / "runs")


@pytest.mark.slow
def test_from_does_a_step_and_all_after_it_again(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
    before = hashes(undisturbed / "runs")
    assert run(undisturbed / "small.toml", undisturbed / "runs", "--from", "export") == 0
    assert [step["cached"] for step in report(undisturbed / "runs")["steps"]] == [True, True, True, False, False]
    assert hashes(undisturbed / "runs") == before


@pytest.mark.slow
def test_plan_predicts_the_artifact(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "nothing"))
    assert cli.invoke(["plan", str(undisturbed / "small.toml"), "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    truth = report(undisturbed / "runs")["final"]
    for end in ("lower", "upper"):
        last = planned[end]["states"][-1]
        assert last["params"] == truth["params"]
        assert last["file"] == pytest.approx(truth["file_bytes"], rel=0.05)
        assert last["flash"] == pytest.approx(truth["flash_bytes"], rel=0.05)
        assert last["macs"] == pytest.approx(truth["macs"], rel=0.05)
        assert last["arena"] == pytest.approx(truth["arena_bytes"], rel=0.10)
    assert not (undisturbed / "nothing").exists()


@pytest.mark.slow
def test_plan_gives_a_range_where_channels_are_ranked_globally(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
    change = ("--set", "pass.prune.scope=global")
    shutil.copytree(undisturbed / "runs" / "small", tmp_path / "runs" / "small")
    cli.invoke(["plan", str(undisturbed / "small.toml"), "--json", *change])
    planned = json.loads(capsys.readouterr().out)
    run(undisturbed / "small.toml", tmp_path / "runs", *change)
    assert [step["cached"] for step in report(tmp_path / "runs")["steps"][:2]] == [True, False]
    truth = report(tmp_path / "runs")["final"]
    low, high = planned["lower"]["states"][-1], planned["upper"]["states"][-1]
    assert low["params"] < high["params"]
    assert low["params"] <= truth["params"] <= high["params"]


def test_plan_warns_of_a_target_that_cannot_be_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = small.write(tmp_path, train=120, test=60)
    assert cli.invoke(["plan", str(recipe), "--set", "targets.flash=<= 1 KiB"]) == 1
    shown = capsys.readouterr()
    assert "cannot be met: flash" in shown.err
    assert "CONV_2D" in shown.out


@pytest.mark.slow
def test_the_test_split_reaches_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other test labels and images give the same bytes; soft labels aside, whose views the data's key draws."""
    monkeypatch.setenv("TINYC_CACHE", str(tmp_path / "cache"))
    found = []
    for name, shift in (("a", 0), ("b", 1)):
        recipe = small.write(tmp_path / name, train=120, test=80)
        with np.load(recipe.parent / "images.npz") as arrays:
            content = dict(arrays)
        content["y_test"] = (content["y_test"] + shift) % 10
        content["x_test"] = content["x_test"][:: 1 - 2 * shift]
        np.savez(recipe.parent / "images.npz", **content)
        run(recipe, tmp_path / name / "runs", "--set", "targets={}", "--set", "pass.distill.alpha=0")
        found.append(hashes(tmp_path / name / "runs"))
    assert found[0] == found[1]
