"""Distillation through the soft-label store against the same training with the teacher in the loop.

Run it as `python benchmarks/soft_label_store.py [RECIPE] [--epochs N --views K]`. Both train the recipe's student at
the recipe's epochs in one process; the store is built first and its time counts. All of it grows with the epochs but
the store, which grows with the views: half of both gives the same ratio. The teacher is the recipe's own source.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinyc import measure
from tinyc.core import cache, units
from tinyc.measure import Measurement, intervals
from tinyc.report.terminal import open_screen
from tinyc.run.opening import Run, open_own_run
from tinyc.run.steps import StepRunner
from tinyc.spec.load import load
from tinyc.spec.passes import apply


def main() -> None:
    """Time both, measure both, print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="resnet50-tiny")
    parser.add_argument("--epochs", type=int, help="other than the recipe's; give --views in the same proportion")
    parser.add_argument("--views", type=int, help="other than the recipe's")
    options = parser.parse_args()
    recipe = load(options.recipe)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_own_run(recipe, Path(folder), cache.folder(), open_screen()) as run,
    ):
        source = StepRunner(run).source()
        given = {"epochs": options.epochs, "views": options.views}
        changes = {name: value for name, value in given.items() if value}
        stored = timed(run, source, changes, Path(folder))
        looped = timed(run, source, changes | {"views": "fresh"}, Path(folder))
    show(stored, looped)


def timed(run: Run, source: Any, changes: dict[str, Any], folder: Path) -> tuple[float, Measurement]:
    """Train the student with an empty store of its own; seconds, and its figures on the test split."""
    transform = run.recipe.steps[0].transform.model_copy(update=changes)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        context = replace(run.context(1, source, run.keys.source, ()), cache=Path(scratch))
        began = time.perf_counter()
        outcome = apply(transform, source, context)
        return time.perf_counter() - began, measure.measure_net(outcome.state, run.dataset)


def show(stored: tuple[float, Measurement], looped: tuple[float, Measurement]) -> None:
    """Print the times, their ratio, and the paired difference of the accuracies."""
    for name, (seconds, measured) in (("through the store", stored), ("teacher in the loop", looped)):
        print(f"{name:20} {units.show_seconds(seconds):>14}  accuracy {measured.ledger.accuracy:.2%}")
    low, high = intervals.paired(stored[1].correct, looped[1].correct)
    gain = stored[1].correct.mean() - looped[1].correct.mean()
    difference = f"accuracy {gain * 100:+.2f} pp ({low * 100:+.2f} to {high * 100:+.2f})"
    print(f"{looped[0] / stored[0]:.2f} times faster; {difference}")


if __name__ == "__main__":
    main()
