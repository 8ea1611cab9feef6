"""Advice for a network that only guesses, followed: the figure goes up; and where it must stay silent, it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import stripes

from tinyc.analysis.advice import reasons
from tinyc.analysis.advice.legal import applied
from tinyc.analysis.advice.remarks import Change
from tinyc.spec.document import Document
from tinyc.spec.load import load, recipe_of_document

TRAIN = 'build = { build = "net.py:net"%s }\ntrain = { epochs = %d, batch = 30, learning_rate = %g }'


def advice(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for one in told for each in one["advice"]]


def sets(found: dict[str, Any]) -> list[str]:
    """The change as --set takes it."""
    return [f"{each['key']}={str(each['value']).lower()}" for each in found["changes"]]


def assert_guesses(report: dict[str, Any]) -> list[dict[str, Any]]:
    (told,) = report["told"]
    assert told["about"] == "source"
    assert "cannot be told from guessing" in told["says"]
    return advice([told])


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong", ["scale = 0.00392157", pytest.param("scale = 0.0078431\noffset = -1", marks=pytest.mark.long)]
)
def test_a_network_that_rescales_gets_its_raw_examples_back(
    tmp_path: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bound = '[[pass]]\nuse = "quantize"\n[targets]\naccuracy = ">= 60 %"\n'
    recipe = stripes.write(tmp_path, stripes.trained(tmp_path), bound, more=wrong)
    missed = stripes.run(recipe, tmp_path / "runs")
    assert missed["targets"][0]["why"].startswith("source cannot be told from guessing: fix that first")
    first = assert_guesses(missed)[0]
    assert "training examples are classified correctly" in first["tried"]
    shown = capsys.readouterr().out
    assert "WARNING: source: accuracy" in shown
    assert "tried: with scale = 1 in [data]" in " ".join(shown.split())
    followed = stripes.run(recipe, tmp_path / "runs", *sets(first))
    assert followed["source"]["accuracy"] > 0.7
    assert followed["told"] == []
    capsys.readouterr()


@pytest.mark.slow
def test_a_network_that_rescales_is_not_told_to_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = stripes.write(tmp_path, stripes.trained(tmp_path))
    assert stripes.run(recipe, tmp_path / "runs")["told"] == []
    shown = capsys.readouterr()
    assert "1/255" not in shown.err
    assert "give a scale" not in shown.err
    assert "WARNING" not in shown.out


@pytest.mark.slow
def test_training_on_raw_bytes_is_warned_of_before_it_and_scaled_ones_train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = stripes.write(tmp_path, TRAIN % (", rescale = false", 25, 0.01))
    found = stripes.run(recipe, tmp_path / "runs")
    shown = capsys.readouterr()
    assert "before the training: layer 'conv1' sees values of" in shown.out
    first = assert_guesses(found)[0]
    assert first["changes"] == [{"do": "set", "key": "data.scale", "value": 1 / 255}]
    followed = stripes.run(recipe, tmp_path / "runs", *sets(first))
    assert followed["source"]["accuracy"] > 0.7
    assert "before the training" not in capsys.readouterr().out


@pytest.mark.slow
def test_classes_in_another_order_are_named_and_renumbered(tmp_path: Path) -> None:
    source = stripes.trained(tmp_path, order=(1, 2, 3, 0), width=12)
    recipe = stripes.write(tmp_path, source)
    first = assert_guesses(stripes.run(recipe, tmp_path / "runs"))[0]
    assert first["write"].endswith("0 '3', 1 '0', 2 '1', 3 '2'")
    _, y = stripes.images()
    place = np.array([1, 2, 3, 0])
    stripes.write(tmp_path, source, y_train=place[y[:216]], y_test=place[y[216:]])
    assert stripes.run(recipe, tmp_path / "runs")["source"]["accuracy"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("longer", [False, pytest.param(True, marks=pytest.mark.long)])
def test_statistics_that_lag_behind_are_named_and_each_remedy_works(tmp_path: Path, longer: bool) -> None:
    recipe = stripes.write(tmp_path, TRAIN % (", norm = true", 6, 0.01))
    found = stripes.run(recipe, tmp_path / "runs")
    momentum, epochs, again = assert_guesses(found)
    assert "2 BatchNormalization layers lag behind" in momentum["because"]
    assert momentum["write"].startswith("momentum = 0.9")
    if longer:
        assert stripes.run(recipe, tmp_path / "runs", *sets(epochs))["source"]["accuracy"] > 0.8
        return
    lower = stripes.run(recipe, tmp_path / "runs", "source.build.momentum=0.9")
    assert lower["source"]["accuracy"] > 0.8
    assert stripes.run(recipe, tmp_path / "runs", *sets(again))["final"]["accuracy"] > 0.8


@pytest.mark.slow
def test_a_rate_that_is_too_high_is_named(tmp_path: Path) -> None:
    recipe, small = stripes.write(tmp_path, TRAIN % (", width = 24", 6, 3.0)), "source.train.batch=6"
    (high,) = assert_guesses(stripes.run(recipe, tmp_path / "runs", small))
    assert sets(high) == ["source.train.learning_rate=0.001"]
    assert stripes.run(recipe, tmp_path / "runs", small, *sets(high))["source"]["accuracy"] > 0.45


@pytest.mark.slow
@pytest.mark.long
def test_epochs_that_are_too_few_are_named(tmp_path: Path) -> None:
    few = stripes.write(tmp_path, TRAIN % (", width = 12", 3, 0.003))
    (more,) = assert_guesses(stripes.run(few, tmp_path / "runs"))
    assert sets(more) == ["source.train.epochs=12"]
    assert stripes.run(few, tmp_path / "runs", *sets(more))["source"]["accuracy"] > 0.4


@pytest.mark.slow
def test_test_labels_that_are_not_theirs(tmp_path: Path) -> None:
    source = stripes.trained(tmp_path)
    _, y = stripes.images()
    mixed = np.random.default_rng(0).permutation(y[216:])
    found = assert_guesses(stripes.run(stripes.write(tmp_path, source, y_test=mixed), tmp_path / "runs"))
    assert [each["write"] for each in found] == ["look at some test examples beside their labels"]
    assert stripes.run(stripes.write(tmp_path, source), tmp_path / "runs")["told"] == []


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in reasons.REASONS]
    assert len(set(names)) == len(names)


def test_changes_are_applied_to_a_copy_and_checked(tmp_path: Path) -> None:
    recipe = load(str(stripes.write(tmp_path, 'file = "net.keras"')))
    cut = {"use": "prune", "how": "channels", "fraction": 0.5}
    changed = applied(recipe.table, (Change("add", "pass.1", cut), Change("set", "pass.1.reestimate", True)))
    made = recipe_of_document(Document(recipe.path, changed, ()))
    assert [step.transform.use for step in made.steps] == ["prune", "quantize"]
    assert "reestimate" not in recipe.table["pass"][0]


@pytest.mark.slow
def test_a_cut_that_leaves_nothing_is_made_smaller(tmp_path: Path) -> None:
    cut = '[[pass]]\nuse = "prune"\nhow = "channels"\nfraction = 0.9\nepochs = 0\n'
    recipe = stripes.write(tmp_path, stripes.trained(tmp_path, width=12), cut)
    found = stripes.run(recipe, tmp_path / "runs")["steps"][0]
    (told,) = found["told"]
    assert told["about"] == "1 prune"
    (smaller,) = (each for each in told["advice"] if "fraction" in each["write"])
    followed = stripes.run(recipe, tmp_path / "runs", *sets(smaller))
    assert followed["final"]["accuracy"] > found["after"]["accuracy"] + 0.1
