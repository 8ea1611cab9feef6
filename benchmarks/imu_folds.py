"""The smartwatch recipe over five folds of two test subjects each, beside a random forest on the same windows.

Run it as `python benchmarks/imu_folds.py`. Each fold trains its own source on seven subjects, validates on one, and
tests on two that nothing was trained on. The forest gets the windows of all eight other subjects, once as they are and
once as features of each channel, which is what such a forest usually gets. Trained sources and finished steps are kept.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyc.core import cache
from tinyc.data import loading
from tinyc.report.record import Report
from tinyc.report.terminal import open_screen
from tinyc.run.finish import finish
from tinyc.run.opening import open_own_run
from tinyc.run.step_records import measurement
from tinyc.run.steps import Started, Stepped, steps
from tinyc.spec.load import load
from tinyc.spec.recipe import Recipe

FOLDS = ((9, 10), (1, 2), (3, 4), (5, 6), (7, 8))
TREES = 300
SPECTRUM = 12


@dataclass(frozen=True)
class Fold:
    """One fold: its test subjects, the run's report, which windows were right, and the forests' accuracies."""

    subjects: tuple[int, int]
    report: Report
    source: Any
    final: Any
    raw_forest: float
    forest: float


def main() -> None:
    """Run every fold, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="imu-tiny")
    parser.add_argument("--folds", type=int, default=len(FOLDS))
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    show([run(options.recipe, subjects, options.out) for subjects in FOLDS[: options.folds]])


def run(name: str, subjects: tuple[int, int], out: Path) -> Fold:
    """Run the recipe on one fold, and both forests."""
    recipe = load(name, [f"data.prepare={prepare(load(name), subjects)}"])
    began = time.monotonic()
    with open_own_run(recipe, out, cache.folder(), open_screen()) as opened:
        given = list(steps(opened))
        begun = next(each for each in given if isinstance(each, Started))
        done = [each for each in given if isinstance(each, Stepped)]
        report = finish(opened, begun, [each.record for each in done], [each.done for each in done], began)
        first, last = (measurement(each, opened.dataset).correct for each in (begun.source, done[-1].done))
    raw, features = forests(recipe)
    return Fold(subjects, report, first, last, raw, features)


def prepare(recipe: Recipe, subjects: tuple[int, int]) -> str:
    """The recipe's window with other subjects: the one before the test pair validates."""
    window = dict(recipe.table["data"]["prepare"][0])
    window |= {"test": [str(each) for each in subjects], "validation": [str((subjects[0] - 2) % 10 + 1)]}
    return f"[{{ {', '.join(f'{key} = {value!r}' for key, value in window.items())} }}]"


def forests(recipe: Recipe) -> tuple[float, float]:
    """Test accuracy of a random forest on the samples, and on features of each channel."""
    from sklearn.ensemble import RandomForestClassifier

    whole = loading.load_dataset(recipe.data, recipe.find, cache.folder(), recipe.seed)
    x = np.concatenate([whole.train.x, whole.validation.x])[:, :, 0]
    y = np.concatenate([whole.train.y, whole.validation.y])
    reached = []
    for view in (lambda windows: windows.reshape(len(windows), -1), features):
        forest = RandomForestClassifier(TREES, random_state=0, n_jobs=-1).fit(view(x), y)
        reached.append(float(forest.score(view(whole.test.x[:, :, 0]), whole.test.y)))
    return reached[0], reached[1]


def features(x: Any) -> Any:
    """Statistics and the low end of each channel's spectrum, (windows, features), of (windows, time, channels)."""
    spectrum = np.abs(np.fft.rfft(x, axis=1))[:, 1:SPECTRUM].reshape(len(x), -1)
    step = np.abs(np.diff(x, axis=1)).mean(axis=1)
    plain = [x.mean(axis=1), x.std(axis=1), x.min(axis=1), x.max(axis=1), np.median(x, axis=1), step]
    return np.concatenate([*plain, spectrum], axis=1)


def show(folds: list[Fold]) -> None:
    """Print a Markdown table, with the means over the folds."""
    print("\n| test subjects | windows | source | artifact under TFLM | drop | forest, samples | forest, features |")
    print("|---|---|---|---|---|---|---|")
    for fold in folds:
        drop = f"{(fold.source.mean() - fold.final.mean()) * 100:+.2f} pp"
        print(f"| {fold.subjects[0]}, {fold.subjects[1]} | {len(fold.final):,} | {fold.source.mean():.2%} "
              f"| {fold.final.mean():.2%} | {drop} | {fold.raw_forest:.2%} | {fold.forest:.2%} |")  # fmt: skip
    source, final = (np.array([getattr(fold, name).mean() for fold in folds]) for name in ("source", "final"))
    raw, forest = (np.array([getattr(fold, name) for fold in folds]) for name in ("raw_forest", "forest"))
    drops = (source - final) * 100
    spread = f"{drops.mean():+.2f} pp ({drops.min():+.2f} to {drops.max():+.2f})"
    print(f"| mean | | {source.mean():.2%} | {final.mean():.2%} | {spread} | {raw.mean():.2%} | {forest.mean():.2%} |")
    weights = [fold.report.final for fold in folds]
    print(f"\nlargest over the folds: {max(each.params or 0 for each in weights):,} params, "
          f"{max(each.file_bytes or 0 for each in weights) / 1024:.1f} KiB, "
          f"arena {max(each.arena_bytes or 0 for each in weights) / 1024:.1f} KiB")  # fmt: skip


if __name__ == "__main__":
    main()
