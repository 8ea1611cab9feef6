"""`tinyc sensitivity`: open a recipe's network, measure what each layer can give, show it and write it down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from tinyc.analysis.sensitivity.measuring import Request, measure
from tinyc.analysis.sensitivity.store import Kept
from tinyc.core import cache, run_folder, streams
from tinyc.core.errors import UserError
from tinyc.core.run_folder import RunFolder
from tinyc.network.state import Net
from tinyc.report import sensitivity_picture, sensitivity_tables
from tinyc.report.terminal import Screen, open_screen
from tinyc.run import keys, stored
from tinyc.run.opening import open_run
from tinyc.run.steps import StepRunner, step_number
from tinyc.spec.load import load
from tinyc.spec.recipe import Recipe
from tinyc.spec.sensitivity_file import Sensitivity


@dataclass(frozen=True)
class Options:
    """What the command line asks for; `after` is a step's number, None for the source."""

    recipe: Recipe
    out: Path
    after: int | None
    examples: int
    fresh: bool

    @property
    def step(self) -> str | None:
        return None if self.after is None else f"{self.after} {self.recipe.steps[self.after - 1].transform.use}"


def sensitivity(
    recipe: str, sets: tuple[str, ...], out: Path, examples: int, after: str | None, fresh: bool, as_json: bool
) -> None:
    """Measure, write sensitivity.json and sensitivity.svg, and show the tables."""
    loaded = load(recipe, sets)
    screen = open_screen(quiet=as_json)
    options = Options(loaded, out, after_step(loaded, after), examples, fresh)
    folder = RunFolder(out / f"{loaded.name}-sensitivity")
    with run_folder.locked(folder):
        found = measured(options, folder, screen)
        run_folder.replace(folder.path / "sensitivity.json", found.to_json().encode())
        run_folder.replace(folder.path / "sensitivity.svg", sensitivity_picture.draw(found).encode())
    if as_json:
        streams.result(found.to_json())
    for line in ("", *sensitivity_tables.lines(found, screen.width), "", *remarks(options, found)):
        screen.say(line)
    screen.say(f"written: {folder.path / 'sensitivity.json'}, sensitivity.svg")


def after_step(recipe: Recipe, text: str | None) -> int | None:
    """Read --after.

    Raises:
        UserError: it names no single step, or one that leaves a .tflite.
    """
    if text is None:
        return None
    number = step_number(recipe, "--after", text)
    if recipe.steps[number - 1].transform.gives == "flat":
        raise UserError(f"--after {text}", "leaves a .tflite, whose weights are int8", "name a step before it")
    return number


def measured(options: Options, folder: RunFolder, screen: Screen) -> Sensitivity:
    """Measure, going on where an earlier call with the same network, data and options was stopped."""
    recipe = options.recipe
    # What later steps name need not exist yet: `prune` may be waiting for the file that this will write.
    first = replace(recipe, steps=recipe.steps[: options.after or 0])
    with open_run(first, folder.path, cache.folder(), screen) as run:
        net = network(options, StepRunner(run))
        kept = Kept(folder.path, keys.digest([run.keys.steps[options.after or 0], options.examples, recipe.seed]))
        data = run.dataset.for_training()
    if options.fresh:
        kept.forget()
    request = Request(recipe.name, options.step, options.examples, recipe.seed)
    return measure(net, data, request, kept, screen)


def network(options: Options, runner: StepRunner) -> Net:
    """Return the source, trained or from the cache, or the network that a finished step left in a run folder.

    Raises:
        UserError: the step has not been run.
    """
    if options.after is None:
        return runner.source()
    finished = [
        path for path in sorted(options.out.glob(f"*/{runner.folder(options.after).name}")) if stored.load_step(path)
    ]
    if not finished:
        remedy = f"run it first: tinyc compress {options.recipe.path} --out {options.out}"
        raise UserError(f"--after {options.step}", f"{options.out} has no run that finished this step", remedy)
    return cast(Net, stored.load_state(finished[0], runner.run.dataset.task, runner.own_layers))


def remarks(options: Options, found: Sensitivity) -> list[str]:
    """Say what was left alone, and where `prune` gets another network than the one measured."""
    lines = [f"left alone: {skip.layer}: {skip.why}" for skip in found.skipped]
    uses = [step.transform.use for step in options.recipe.steps]
    before = uses.index("prune") if "prune" in uses else 0
    if options.after is None and before:
        lines.append(f"note: prune is step {before + 1}; for the network that it gets: --after {before}")
    return lines
