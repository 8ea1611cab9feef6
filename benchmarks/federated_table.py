"""What each way to protect a federated fine-tuning costs: one recipe, a run for each, in one table.

Run it as `python benchmarks/federated_table.py imu-federated`. All runs share the passes before `federate`, and each is
a whole run to its artifact. "Centralized" is the recipe that is extended, with its training under int8 rounding taking
as many epochs as clients go through their examples; it has all examples in one place, and its teacher beside them.

Under homomorphic encryption and under masks the mean of the same updates must be the plain mean: the largest
difference of a weight after the first round is that. After all rounds it is larger, since under int8 rounding a last
bit may decide between two steps, whose gradients differ. Epsilon covers `federate` alone: the passes before it have
seen the same examples without noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyc import measure
from tinyc.core import cache
from tinyc.measure import Measurement
from tinyc.report.terminal import open_screen
from tinyc.run.opening import Run, open_own_run
from tinyc.run.step_records import measurement
from tinyc.run.steps import Stepped, StepRunner, steps
from tinyc.spec.load import load

CENTRALIZED = "imu-tiny"
EXACT = 1e-6
"""The largest difference of a weight to the plain mean of the same updates."""
PLAIN = "plain averaging"
EXAMPLES = (
    "privacy={ level = 'example', clip = 1.0, epsilon = 8, delta = 1e-3 }",
    "augment=[]",
    "batch=128",
    "learning_rate=0.01",
)
CLIENTS = ("privacy={ level = 'client', clip = 1.0, epsilon = 8, delta = 1e-3 }",)
ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (PLAIN, ()),
    ("homomorphic encryption", ("aggregation=homomorphic",)),
    ("secure aggregation by masks", ("aggregation=secagg",)),
    ("private examples", EXAMPLES),
    ("private clients", CLIENTS),
)


@dataclass(frozen=True)
class Row:
    """One run: its artifact under TFLM, its fine-tuned weights, what the fine-tuning says of itself."""

    name: str
    artifact: Measurement
    weights: list[Any]
    facts: dict[str, Any]
    seconds: float


def main() -> None:
    """Run every row, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="imu-federated")
    parser.add_argument("--engine", choices=("simulation", "process"), help="instead of the recipe's")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    engine = [f"engine={options.engine}"] if options.engine else []
    rows = [federated(options.recipe, name, [*engine, *keys], options.out) for name, keys in ROWS]
    first = {
        name: first_round(options.recipe, [*engine, *keys], options.out)
        for name, keys in ROWS
        if any(key.startswith("aggregation=") for key in keys) or name == PLAIN
    }
    centralized = trained_together(options.recipe, options.out)
    print(f"\n{table(rows, first, centralized)}")
    if problems := inexact(first):
        raise SystemExit("\n".join(problems))


def federated(recipe: str, name: str, keys: Sequence[str], out: Path) -> Row:
    """Run the recipe with other keys of `federate` to its artifact."""
    with opened(recipe, [f"pass.federate.{key}" for key in keys], out) as run:
        done = [each for each in steps(run) if isinstance(each, Stepped)]
        tuned = next(each for each in done if each.record.use == "federate")
        final = measurement(done[-1].done, run.dataset)
        return Row(name, final, weights_of(run, tuned), dict(tuned.record.facts), tuned.record.seconds)


def first_round(recipe: str, keys: Sequence[str], out: Path) -> list[Any]:
    """The weights after one round."""
    with opened(recipe, [f"pass.federate.{key}" for key in (*keys, "rounds=1")], out) as run:
        done = (each for each in steps(run) if isinstance(each, Stepped))
        return weights_of(run, next(each for each in done if each.record.use == "federate"))


def trained_together(recipe: str, out: Path) -> Row:
    """Run the centralized recipe with as many epochs as the clients train."""
    federate: Any = next(step.transform for step in load(recipe).steps if step.transform.use == "federate")
    epochs = federate.rounds * federate.local_epochs
    with opened(CENTRALIZED, [f"pass.quantize.epochs={epochs}"], out) as run:
        done = [each for each in steps(run) if isinstance(each, Stepped)]
        trained = next(each.record for each in done if each.record.use == "quantize")
        final = measurement(done[-1].done, run.dataset)
        return Row(f"centralized, {epochs} epochs", final, [], {}, trained.seconds)


def opened(recipe: str, sets: Sequence[str], out: Path) -> Any:
    return open_own_run(load(recipe, sets), out, cache.folder(), open_screen())


def weights_of(run: Run, tuned: Stepped) -> list[Any]:
    """The weights that a step left in its folder, in the network's order."""
    state: Any = StepRunner(run).state_before(tuned.record.index + 1, tuned.done)
    return [np.asarray(each) for each in state.model.get_weights()]


def table(rows: Sequence[Row], first: dict[str, list[Any]], centralized: Row) -> str:
    """Write the runs as Markdown; a drop is positive where a run is worse than centralized training."""
    title = (
        "| fine-tuned | accuracy, int8 under TFLM | drop against centralized | epsilon | up, down a client and round "
        "| largest difference to plain after one round, after all | seconds |"
    )
    lines = [title, "|---|---|---|---|---|---|---|"]
    lines += [line(row, rows[0], first, centralized) for row in rows]
    lines.append(f"| {centralized.name} | {accuracy(centralized.artifact)} | | | | | {centralized.seconds:.0f} |")
    return "\n".join(lines)


def line(row: Row, plain: Row, first: dict[str, list[Any]], centralized: Row) -> str:
    cells = [
        row.name,
        accuracy(row.artifact),
        drop(row.artifact, centralized.artifact),
        epsilon(row.facts),
        traffic(row.facts),
        f"{largest(first[row.name], first[PLAIN]):.1e}, {largest(row.weights, plain.weights):.1e}"
        if row.name in first and row.name != PLAIN
        else "",
        f"{row.seconds:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def accuracy(measured: Measurement) -> str:
    found = measured.ledger
    return f"{found.accuracy:.2%} ({found.accuracy_low:.2%} to {found.accuracy_high:.2%})"


def drop(artifact: Measurement, centralized: Measurement) -> str:
    """The paired difference, in percentage points."""
    found = measure.measured("accuracy_drop", artifact, centralized)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return f"{found.value * 100:+.2f} pp ({found.low * 100:+.2f} to {found.high * 100:+.2f})"


def epsilon(facts: dict[str, Any]) -> str:
    privacy = facts.get("privacy")
    return f"{privacy['epsilon']:.2f} at delta {privacy['delta']:g}" if privacy else "none promised"


def traffic(facts: dict[str, Any]) -> str:
    """KiB that a client sent and got in the last round, on average; the first also sends the network."""
    last = facts["rounds"][-1]
    answered = len(last["answered"])
    return ", ".join(f"{last[way] / answered / 1024:,.0f} KiB" for way in ("bytes_up", "bytes_down"))


def largest(some: Sequence[Any], others: Sequence[Any]) -> float:
    """The largest difference of a weight."""
    return max(float(np.abs(one - other).max()) for one, other in zip(some, others, strict=True) if one.size)


def inexact(first: dict[str, list[Any]]) -> list[str]:
    """Say which aggregation did not give the plain mean."""
    found = {name: largest(weights, first[PLAIN]) for name, weights in first.items()}
    return [f"{name}: {far:.1e} is more than {EXACT:g} from plain" for name, far in found.items() if far > EXACT]


if __name__ == "__main__":
    main()
