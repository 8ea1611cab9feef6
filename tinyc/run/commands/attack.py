"""`tinyc attack` at work: open the run, attack its artifact, write attack.json and show what was found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tinyc.analysis.attack.attack import Request, Target
from tinyc.analysis.attack.attack import attack as examine
from tinyc.analysis.attack.bounds import Promise
from tinyc.analysis.attack.shadows import ShadowTraining
from tinyc.core import cache, run_folder, streams
from tinyc.core.errors import UserError
from tinyc.core.run_folder import RunFolder
from tinyc.network import backend
from tinyc.network.checks import require_functional
from tinyc.network.state import Flat, Net
from tinyc.report import attack_page
from tinyc.report.schema import finite
from tinyc.report.terminal import Screen, open_screen
from tinyc.run import stored
from tinyc.run.finished import finished, read_recipe
from tinyc.run.opening import Run, open_run
from tinyc.run.source import untrained
from tinyc.run.steps import StepRunner
from tinyc.run.stored import Done
from tinyc.spec.facts import part
from tinyc.spec.privacy import Promised
from tinyc.spec.recipe import Recipe
from tinyc.spec.training import FitOptions, fit_options
from tinyc.tflite.run.runtimes import Runtime

WRITTEN = "attack.json"


@dataclass(frozen=True)
class Asked:
    """What the command line asks for; None is the recipe's own."""

    examples: int
    shadows: int
    epochs: int | None
    runtime: str
    seed: int | None


@dataclass(frozen=True)
class FinishedRun:
    """A finished run with its data and all steps, the source first."""

    run: Run
    steps: tuple[Done, ...]
    flat: Flat


def attack(
    folder: Path, examples: int, shadows: int, epochs: int | None, runtime: str, seed: int | None, as_json: bool
) -> None:
    """Attack, write attack.json into the run's folder, and show the page."""
    asked = Asked(examples, shadows, epochs, runtime, seed)
    if asked.shadows % 2:
        problem = "is odd, and shadows come in pairs that train on one half each"
        raise UserError(f"--shadows {asked.shadows}", problem, f"give {asked.shadows + 1}")
    if asked.epochs is not None and not asked.shadows:
        raise UserError("--epochs", "is for shadows, and there are no shadows", "add --shadows 16")
    screen = open_screen(quiet=as_json)
    recipe = read_recipe(folder)
    with run_folder.locked(RunFolder(folder)), open_finished_run(recipe, folder, screen) as made:
        training = shadow_training(made, asked, folder) if asked.shadows else None
        seed = recipe.seed if asked.seed is None else asked.seed
        request = Request(asked.examples, seed, cast(Runtime, asked.runtime), training)
        found = examine(target_of(made), request, made.run.pool, screen)
        text = json.dumps(finite(found.to_json()), indent=1, allow_nan=False, ensure_ascii=False)
        run_folder.replace(folder / WRITTEN, text.encode())
    if as_json:
        streams.result(text)
        return
    screen.show(attack_page.lines(found, str(folder), min(screen.width, 80)))


@contextmanager
def open_finished_run(recipe: Recipe, folder: Path, screen: Screen) -> Iterator[FinishedRun]:
    """Read a finished run and its data.

    Raises:
        UserError: a step is missing or damaged, the run ends without an artifact, or its data is not found.
    """
    if recipe.steps[-1].transform.gives != "flat":
        raise UserError(str(folder), "ends with a float network and has no artifact", "add quantize to its recipe")
    steps = tuple(finished(folder, recipe, index) for index in range(len(recipe.steps) + 1))
    with open_run(recipe, folder, cache.folder(), screen) as run:
        flat = stored.load_state(steps[-1].folder, run.dataset.task, dict)
        yield FinishedRun(run, steps, cast(Flat, flat))


def target_of(made: FinishedRun) -> Target:
    """Say what is attacked; members are the training examples of the data as it lies here now."""
    recipe, last = made.run.recipe, made.steps[-1]
    notes: tuple[str, ...] = ()
    if last.key != made.run.keys.steps[-1]:
        notes = (
            "By its key, the run was made with other data, files or versions than those here now. Members are the "
            "training examples of the data as it is now.",
        )
    return Target(recipe.name, last.folder.name, made.flat, made.run.dataset, promised(made), notes)


def promised(made: FinishedRun) -> Promise | None:
    """Add up what the run's steps promised each example; None where none did."""
    recipe = made.run.recipe
    epsilon = delta = 0.0
    kept: list[str] = []
    fitted: list[str] = []  # A student on its own still sees the signal as preprocessing leaves it.
    beside = ["the source"]
    for index, (step, done) in enumerate(zip(recipe.steps, made.steps[1:], strict=True), start=1):
        name, found = f"{index} {step.transform.use}", part(Promised, done.facts, step.transform.facts)
        if step.transform.effects.forgets:
            epsilon, delta, kept, beside = 0.0, 0.0, [], list(fitted)
        if found and found["level"] == "example" and found["epsilon"] is not None:
            epsilon, delta = epsilon + found["epsilon"], delta + found["delta"]
            kept.append(name)
        elif step.transform.effects.trains or step.transform.effects.fits:
            beside.append(name)
            fitted += [name] if step.transform.effects.fits else []
    return Promise(epsilon, delta, tuple(kept), tuple(beside)) if kept else None


def shadow_training(made: FinishedRun, asked: Asked, folder: Path) -> ShadowTraining:
    """Take the last network of the run, and the options by which the recipe trained one from new weights.

    Raises:
        UserError: the network cannot be built from new weights.
    """
    recipe = made.run.recipe
    backend.keras()  # a file of the user's that imports it next would let it write its greetings
    last = max((i for i, step in enumerate(recipe.steps, start=1) if step.transform.gives == "net"), default=0)
    runner = StepRunner(made.run)
    if last:
        net = stored.load_state(made.steps[last].folder, made.run.dataset.task, runner.own_layers)
    else:
        net = untrained(made.run)
    require_functional(cast(Net, net).model)
    options = training(recipe)
    epochs = options.epochs if asked.epochs is None else asked.epochs
    options = options.model_copy(update={"epochs": max(1, epochs), "teach": None, "loss": "labels"})
    return ShadowTraining(cast(Net, net), options, asked.shadows, folder)


def training(recipe: Recipe) -> FitOptions:
    """Find how the recipe trains from new weights: its latest student, else its source, else its latest training."""
    passes: list[Any] = [step.transform for step in reversed(recipe.steps)]
    students = [each for each in passes if each.effects.leaves("student")]
    source = [recipe.source.train] if recipe.source.train else []
    others = [each for each in passes if each.effects.trains]
    found = next(iter([*students, *source, *others]), None)
    return FitOptions() if found is None else fit_options(found)
