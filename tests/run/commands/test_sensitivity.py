"""`tinyc sensitivity` on the small recipe, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import small

from tinyc import cli
from tinyc.analysis.sensitivity.store import Kept
from tinyc.spec.sensitivity_file import Score, load_sensitivity

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return small.write(tmp_path, train=200, test=40)


def call(recipe: Path, *more: str) -> int:
    return cli.invoke(["sensitivity", str(recipe), "--out", str(recipe.parent / "runs"), *more])


def folder(recipe: Path) -> Path:
    return recipe.parent / "runs" / "small-sensitivity"


def test_it_measures_on_validation_and_never_on_test(recipe: Path, capsys: Shown) -> None:
    assert call(recipe, "--examples", "32") == 0
    shown = capsys.readouterr().out
    assert shown.index("about ") < shown.index("channels cut")
    assert "on 32 validation examples" in shown
    assert "left alone: logits: it gives the network's output" in shown
    assert "note: prune is step 2; for the network that it gets: --after 1" in shown
    found = load_sensitivity(folder(recipe) / "sensitivity.json")
    assert [group.layers for group in found.groups] == [("stem", "body"), ("neck",)]
    assert {each.layer for each in found.int8} == {"stem", "body", "neck", "logits"}
    assert (folder(recipe) / "sensitivity.svg").read_text().startswith("<svg")

    path = recipe.parent / "images.npz"
    with np.load(path) as arrays:
        rest = {name: arrays[name] for name in arrays.files}
    np.savez(path, **(rest | {"x_test": 255 - rest["x_test"]}))
    assert call(recipe, "--examples", "32", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["base"]["loss"] == pytest.approx(found.base.loss)
    assert [group["cuts"] for group in again["groups"]] == [[vars(cut) for cut in group.cuts] for group in found.groups]


def test_ctrl_c_ends_with_130_and_the_next_call_goes_on(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    real, done = Kept.add, list[str]()

    def stopping(kept: Kept, name: str, score: Score) -> None:
        real(kept, name, score)
        done.append(name)
        if len(done) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Kept, "add", stopping)
    assert call(recipe) == 130
    assert not (folder(recipe) / "sensitivity.json").exists()
    assert call(recipe) == 0
    assert len(done) == len(set(done))
    assert f"3 of {len(done)} probes were measured by an earlier call" in capsys.readouterr().out
    count = len(done)
    assert call(recipe) == 0
    assert len(done) == count
    assert call(recipe, "--fresh") == 0
    assert len(done) == 2 * count


def test_what_cannot_be_measured_ends_with_2(recipe: Path, capsys: Shown) -> None:
    assert call(recipe.parent / "nothing.toml") == 2
    assert call(recipe, "--after", "cluster") == 2
    assert "steps are 1 distill" in capsys.readouterr().err
    assert call(recipe, "--after", "distill") == 2
    assert "run it first: tinyc compress" in capsys.readouterr().err
    assert call(recipe, "--after", "quantize") == 2
    assert "leaves a .tflite" in capsys.readouterr().err
    assert call(recipe, "--examples", "5000") == 2


def test_prune_can_wait_for_the_file_and_then_takes_its_amounts(recipe: Path, capsys: Shown) -> None:
    made = folder(recipe) / "sensitivity.json"
    text = recipe.read_text()
    assert "fraction = 0.34" in text
    recipe.write_text(text.replace("fraction = 0.34", f'sensitivity = "{made}"\ndrop = 0.05'))
    assert call(recipe) == 0
    assert made.exists()
    capsys.readouterr()
    assert cli.invoke(["check", str(recipe)]) == 0


@pytest.mark.slow
def test_after_a_step_it_measures_what_that_step_left(undisturbed: Path, tmp_path: Path, capsys: Shown) -> None:
    arguments = ["sensitivity", str(undisturbed / "small.toml"), "--out", str(undisturbed / "runs"), "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYC_CACHE", str(undisturbed / "cache"))
        assert cli.invoke([*arguments, "--after", "prune"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["after"] == "2 prune"
        assert [group["channels"] for group in found["groups"]] == [4, 8]
