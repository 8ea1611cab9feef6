"""What distillation gives: the recipe's student from the teacher against the same student from labels alone.

Run it as `python benchmarks/labels_alone.py resnet50-tiny`. Each seed trains both with the recipe's epochs, views
and schedule, and measures them on the test split; the difference is paired, example by example, with its 95 % interval.
The source and its soft labels come from the cache. A finished training is kept in the run folder, and not done again.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinyc import measure
from tinyc.core import cache
from tinyc.measure import intervals
from tinyc.report.terminal import open_screen
from tinyc.run.opening import Run, open_own_run
from tinyc.run.step_records import measurement
from tinyc.run.steps import StepRunner
from tinyc.spec.load import load
from tinyc.spec.passes import apply
from tinyc.spec.passes.distill import Distill


def main() -> None:
    """Train and measure every seed both ways, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="resnet50-tiny")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    recipe = load(options.recipe)
    with open_own_run(recipe, options.out, cache.folder(), open_screen()) as run:
        show(run, [pair(run, seed) for seed in range(options.seeds)])


def pair(run: Run, seed: int) -> tuple[Any, Any]:
    """Which test examples the student gets right, taught and from labels alone, (examples,) each.

    Seed 0 is the recipe's own, so its taught student is taken from a finished run.
    """
    recipe: Any = run.recipe.steps[0].transform
    done = StepRunner(run).finished(1) if seed == 0 else None
    taught = measurement(done, run.dataset).correct if done else trained(run, seed, recipe)
    return taught, trained(run, seed, recipe.model_copy(update={"alpha": 0.0}))


def trained(run: Run, seed: int, transform: Distill) -> Any:
    """Train one student, or take what an earlier call of this script kept."""
    kept = run.folder.path / f"student-{run.keys.steps[1][:8]}-alpha{transform.alpha}-seed{seed}.npy"
    if not kept.exists():
        source = StepRunner(run).source()
        context = run.context(1, source, run.keys.source, ())
        outcome = apply(transform, source, replace(context, seed=context.seed + 100 * seed))
        np.save(kept, measure.measure_net(outcome.state, run.dataset).correct)
    return np.load(kept)


def show(run: Run, pairs: list[tuple[Any, Any]]) -> None:
    """Print a Markdown table."""
    print(f"\n{run.recipe.name}: {len(run.dataset.test):,} test images\n")
    print("| seed | distilled | labels alone | difference (95 % interval, paired) |\n|---|---|---|---|")
    for seed, (taught, alone) in enumerate(pairs):
        print(f"| {seed} | {row(taught, alone)} |")
    taught, alone = (np.array([one.mean() for one in side]) for side in zip(*pairs, strict=True))
    gains = (taught - alone) * 100
    spread = f"{gains.mean():+.2f} pp (seeds {gains.min():+.2f} to {gains.max():+.2f})"
    print(f"| mean | {taught.mean():.2%} | {alone.mean():.2%} | {spread} |")


def row(taught: Any, alone: Any) -> str:
    low, high = intervals.paired(taught, alone)
    gain = taught.mean() - alone.mean()
    return f"{taught.mean():.2%} | {alone.mean():.2%} | {gain * 100:+.2f} pp ({low * 100:+.2f} to {high * 100:+.2f})"


if __name__ == "__main__":
    main()
