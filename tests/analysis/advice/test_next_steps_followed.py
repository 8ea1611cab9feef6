"""What is told of a missed bound, followed: the figure that missed comes nearer to the bound, or meets it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from support import stripes

from tinyc.analysis.advice.legal import applied
from tinyc.analysis.advice.remarks import Change
from tinyc.spec.load import load

pytestmark = pytest.mark.slow
PRUNE = '[[pass]]\nuse = "prune"\nhow = "channels"\nfraction = %g\nepochs = %d\nbatch = 30\nlearning_rate = 0.003\n'
QUANTIZE = '[[pass]]\nuse = "quantize"\n'


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    stripes.trained(folder, width=12)
    return folder / "net.keras"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source that has seen many more examples than the recipes have, and knows all stripes."""
    folder = tmp_path_factory.mktemp("good")
    stripes.trained(folder, epochs=10, count=2000, batch=64, width=24)
    return folder / "net.keras"


def recipe(folder: Path, source: Path, passes: str, arrays: Any = None, /, **targets: str) -> Path:
    bounds = "".join(f'{name} = "{bound}"\n' for name, bound in targets.items())
    written = stripes.write(folder, 'file = "net.keras"', f"{passes}\n[targets]\n{bounds}", **(arrays or {}))
    shutil.copy(source, folder / "net.keras")
    return written


def follow(written: Path, found: dict[str, Any], out: Path) -> dict[str, Any]:
    """Run the recipe with the changes of one piece of advice."""
    changes = tuple(Change(**each) for each in found["changes"])
    assert changes, found
    path = written.with_name("followed.toml")
    path.write_text(tomli_w.dumps(applied(load(str(written)).table, changes)))
    return stripes.run(path, out)


def key(found: dict[str, Any]) -> str:
    return str(found["changes"][0]["key"])


def drop(report: dict[str, Any]) -> float:
    return float(report["source"]["accuracy"] - report["final"]["accuracy"])


def test_more_epochs_and_a_smaller_cut_win_accuracy_back(tmp_path: Path, source: Path) -> None:
    written = recipe(tmp_path, source, PRUNE % (0.75, 1) + QUANTIZE, accuracy_drop="<= 2 pp")
    missed = stripes.run(written, tmp_path / "runs")
    (told,) = missed["next_steps"]
    assert missed["targets"][0]["why"].startswith("pass 1 (prune) lost ")
    assert [key(found) for found in told["advice"]] == ["pass.1.epochs", "pass.1.rounds", "pass.1.fraction"]
    for found in (each for each in told["advice"] if key(each) != "pass.1.rounds"):  # which has a test of its own
        assert drop(follow(written, found, tmp_path / "runs")) < drop(missed) - 0.05


@pytest.mark.long
@pytest.mark.parametrize(
    ("wanted", "noise", "epochs", "gain"), [("pass.1.rounds", 0.0, 3, 0.1), ("pass.1.teach", 0.75, 6, 0.005)]
)
def test_rounds_and_a_teacher_win_back(
    tmp_path: Path, good: Path, wanted: str, noise: float, epochs: int, gain: float
) -> None:
    """Rounds after a deep cut at once; a teacher where three labels in four were drawn anew."""
    x, y = stripes.images(576)
    random = np.random.default_rng(3)
    labels = y[:216].copy()
    drawn = random.random(216) < noise
    labels[drawn] = random.integers(0, 4, drawn.sum())
    arrays = {"x_train": x[:216], "y_train": labels, "x_test": x[216:], "y_test": y[216:]}
    written = recipe(tmp_path, good, PRUNE % (0.75, epochs) + QUANTIZE, arrays, accuracy_drop="<= 0.5 pp")
    missed = stripes.run(written, tmp_path / "runs")
    (found,) = (each for each in missed["next_steps"][0]["advice"] if key(each) == wanted)
    assert drop(follow(written, found, tmp_path / "runs")) < drop(missed) - gain


def test_a_deeper_cut_meets_the_bound(tmp_path: Path, source: Path) -> None:
    written = recipe(tmp_path, source, PRUNE % (0.25, 1) + QUANTIZE, file="<= 3200 B")
    missed = stripes.run(written, tmp_path / "runs")
    for target, told in zip(missed["targets"], missed["next_steps"], strict=True):
        assert not target["met"]
        followed = follow(written, told["advice"][0], tmp_path / "runs")
        (again,) = (each for each in followed["targets"] if each["metric"] == target["metric"])
        assert again["met"], again


@pytest.mark.parametrize(("metric", "bound"), [("params", "<= 1200"), ("macs", "<= 150 k")])
def test_a_first_cut_meets_the_bound(tmp_path: Path, source: Path, metric: str, bound: str) -> None:
    written = recipe(tmp_path, source, QUANTIZE, **{metric: bound})
    (told,) = stripes.run(written, tmp_path / "runs")["next_steps"]
    assert follow(written, told["advice"][0], tmp_path / "runs")["met"]


def test_fewer_channels_meet_the_arena(tmp_path: Path, source: Path) -> None:
    written = recipe(tmp_path, source, QUANTIZE, arena="<= 5 kB")
    missed = stripes.run(written, tmp_path / "runs")
    followed = follow(written, missed["next_steps"][0]["advice"][0], tmp_path / "runs")
    assert followed["final"]["arena_bytes"] <= 5000 < missed["final"]["arena_bytes"]


def test_nothing_is_told_where_all_is_met(tmp_path: Path, source: Path) -> None:
    written = recipe(tmp_path, source, QUANTIZE, accuracy_drop="<= 20 pp")
    assert stripes.run(written, tmp_path / "runs")["next_steps"] == []
