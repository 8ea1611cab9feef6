"""What each part of distilling a transformer gives: one student, trained on labels alone up to the whole recipe.

Run it as `python benchmarks/text_ablation.py minilm-tiny`. Each row trains the recipe's
student with the recipe's epochs, batch and schedule; it is measured in float on the test sentences. Beside them stand
TF-IDF with logistic regression (where scikit-learn is installed), and the source. The source and its soft labels come
from the cache; a finished training is kept in the run folder, and not done again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinyc import measure
from tinyc.core import cache
from tinyc.measure import intervals
from tinyc.report.terminal import open_screen
from tinyc.run.opening import Run, open_own_run
from tinyc.run.steps import StepRunner
from tinyc.run.stored import Done
from tinyc.spec.load import load
from tinyc.spec.passes import apply

PLAIN = {"alpha": 0.0, "start": "random", "imitate": (), "augment": (), "views": 1, "clean": False}
BASELINES: dict[str, dict[str, Any]] = {
    "scikit-learn's defaults": {"words": {}, "regression": {}},
    "pairs of words, C = 4": {
        "words": {"ngram_range": (1, 2), "sublinear_tf": True}, "regression": {"C": 4.0, "max_iter": 1000},
    },
}  # fmt: skip
IMITATED = ("embedding", "hidden", "attention")


def main() -> None:
    """Train and measure every row, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="minilm-tiny")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="of the logit stage, instead of the recipe's")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    recipe = load(options.recipe)
    with open_own_run(recipe, options.out, cache.folder(), open_screen()) as run:
        index = next(i for i, step in enumerate(recipe.steps, 1) if step.transform.use == "distill")
        before = state_before(run, index)
        taught: Any = recipe.steps[index - 1].transform
        taught = taught.model_copy(update={"epochs": options.epochs or taught.epochs})
        rows = [
            (
                name,
                [trained(run, index, before, taught.model_copy(update=changes), seed) for seed in range(options.seeds)],
            )
            for name, changes in variants(taught)
        ]
        show(run, rows)


def variants(taught: Any) -> list[tuple[str, dict[str, Any]]]:
    """The rows by name, each with what differs from the recipe's own distillation."""
    logits = {**PLAIN, "alpha": taught.alpha}
    imitated = {**logits, "imitate": IMITATED, "imitate_epochs": 5}
    sliced = {**logits, "start": "source"}
    return [
        ("labels alone", PLAIN),
        ("logits of the source", logits),
        ("logits, after TinyBERT's embedding, hidden and attention losses", imitated),
        ("logits, from the source's weights", sliced),
        ("logits, from the source's weights, after TinyBERT's losses", {**imitated, "start": "source"}),
        ("logits, from the source's weights, augmented", {**sliced, **augmented(taught)}),
        ("all of them", {**imitated, "start": "source", **augmented(taught)}),
    ]


def augmented(taught: Any) -> dict[str, Any]:
    return {"augment": taught.augment or ("words",), "views": 4, "clean": True}


def state_before(run: Run, index: int) -> Done:
    """Do the passes before the distillation, or take them from a finished run."""
    workshop = StepRunner(run)
    before = workshop.source_done()
    for earlier in range(1, index):
        before = workshop.finished(earlier) or workshop.perform(earlier, before)
    return before


def trained(run: Run, index: int, before: Done, transform: Any, seed: int) -> Any:
    """Train one student, or take what an earlier call kept; which test sentences it gets right, (sentences,)."""
    fields = json.dumps(transform.model_dump(mode="json"), sort_keys=True)
    name = hashlib.sha256(f"{run.keys.steps[index - 1]} {fields} {seed}".encode()).hexdigest()[:12]
    kept = run.folder.path / f"ablation-{name}.npy"
    if not kept.exists():
        workshop = StepRunner(run)
        source, state = workshop.source(), workshop.state_before(index, before)
        context = run.context(index, source, run.keys.source, (), task=state.task)
        outcome = apply(transform, state, replace(context, seed=context.seed + 100 * seed))
        np.save(kept, measure.measure_net(outcome.state, run.dataset).correct)
    return np.load(kept)


def show(run: Run, rows: list[tuple[str, list[Any]]]) -> None:
    """Print a Markdown table; the difference is to the row of the labels, paired, of the first seed."""
    print(f"\n{run.recipe.name}: {len(run.dataset.test):,} test sentences\n")
    print("| trained on | accuracy | against labels alone (95 %, paired) |\n|---|---|---|")
    alone = rows[0][1]
    for name, seeds in rows:
        mean = np.mean([right.mean() for right in seeds])
        print(f"| {name} | {mean:.2%} | {gain(seeds, alone) if seeds is not alone else ''} |")
    for name, settings in BASELINES.items():
        reached = baseline(run, **settings)
        print(
            f"| TF-IDF with logistic regression, {name} | {'not measured' if reached is None else f'{reached:.2%}'} | |"
        )
    print(f"| the source | {StepRunner(run).source_done().ledger.accuracy:.2%} | |")


def gain(seeds: list[Any], alone: list[Any]) -> str:
    low, high = intervals.paired(np.concatenate(seeds), np.concatenate(alone))
    mean = np.mean([right.mean() for right in seeds]) - np.mean([right.mean() for right in alone])
    return f"{mean * 100:+.2f} pp ({low * 100:+.2f} to {high * 100:+.2f})"


def baseline(run: Run, words: dict[str, Any], regression: dict[str, Any]) -> float | None:
    """TF-IDF with logistic regression on the same split; None without scikit-learn."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
    except ImportError:
        return None
    data = run.dataset
    best = make_pipeline(TfidfVectorizer(**words), LogisticRegression(**regression))
    texts = [*data.train.x, *data.validation.x]
    best.fit(texts, np.concatenate([data.train.y, data.validation.y]))
    return float((best.predict(list(data.test.x)) == data.test.y).mean())


if __name__ == "__main__":
    main()
