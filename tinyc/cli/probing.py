"""`tinyc sensitivity`: open a recipe's network, measure what each layer can give, show it and write it down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from tinyc.analysis.sensitivity import picture, tables
from tinyc.analysis.sensitivity.measuring import Request, measure
from tinyc.analysis.sensitivity.store import Kept
from tinyc.cli import streams
from tinyc.core import cache, run_folder
from tinyc.core.errors import UserError
from tinyc.core.run_folder import RunFolder
from tinyc.network.state import Net
from tinyc.report.terminal import Screen, open_screen
from tinyc.run import keys, stored
from tinyc.run.bench import Bench
from tinyc.run.run import Run, Settings, Workshop
from tinyc.run.source import examples as load_examples
from tinyc.spec.load import load
from tinyc.spec.recipe import Recipe
from tinyc.spec.sensitivity_file import Sensitivity
from tinyc.tflite.run.pool import Pool


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


def run(
    recipe: str, sets: tuple[str, ...], out: Path, examples: int, after: str | None, fresh: bool, as_json: bool
) -> None:
    """Measure, write sensitivity.json and sensitivity.svg, and show the tables."""
    loaded = load(recipe, sets)
    screen = open_screen(quiet=as_json)
    options = Options(loaded, out, step_number(loaded, after), examples, fresh)
    folder = RunFolder(out / f"{loaded.name}-sensitivity")
    with run_folder.locked(folder):
        found = measured(options, folder, screen)
        run_folder.replace(folder.path / "sensitivity.json", found.to_json().encode())
        run_folder.replace(folder.path / "sensitivity.svg", picture.draw(found).encode())
    if as_json:
        streams.result(found.to_json())
    for line in ("", *tables.lines(found, screen.width), "", *remarks(options, found)):
        screen.say(line)
    screen.say(f"written: {folder.path / 'sensitivity.json'}, sensitivity.svg")


def step_number(recipe: Recipe, text: str | None) -> int | None:
    """Read --after.

    Raises:
        UserError: it names no single step, or one that leaves a .tflite.
    """
    if text is None:
        return None
    uses = [step.transform.use for step in recipe.steps]
    if text.isdecimal() and 1 <= int(text) <= len(uses):
        number = int(text)
    elif uses.count(text) == 1:
        number = uses.index(text) + 1
    else:
        listed = ", ".join(f"{place} {use}" for place, use in enumerate(uses, start=1))
        raise UserError(f"--after {text}", "names no single step", f"steps are {listed}")
    if recipe.steps[number - 1].transform.gives == "flat":
        raise UserError(f"--after {text}", "leaves a .tflite, whose weights are int8", "name a step before it")
    return number


def measured(options: Options, folder: RunFolder, screen: Screen) -> Sensitivity:
    """Measure, going on where an earlier call with the same network, data and options was stopped."""
    recipe = options.recipe
    with Pool() as pool:
        dataset, checkpoint = load_examples(recipe, cache.folder(), screen)
        bench = Bench(recipe, folder, cache.folder(), dataset, pool, screen, checkpoint)
        # What later steps name need not exist yet: `prune` may be waiting for the file that this will write.
        first = replace(recipe, steps=recipe.steps[: options.after or 0])
        every = keys.of_recipe(first, dataset.digest, recipe.find, checkpoint)
        net = network(options, Workshop(Run(bench, Settings(options.out, cache.folder()), every)))
    kept = Kept(folder.path, keys.digest([every.steps[options.after or 0], options.examples, recipe.seed]))
    if options.fresh:
        kept.forget()
    request = Request(recipe.name, options.step, options.examples, recipe.seed)
    return measure(net, dataset.for_training(), request, kept, screen)


def network(options: Options, house: Workshop) -> Net:
    """The source, trained or from the cache, or the network that a finished step left in a run folder.

    Raises:
        UserError: the step has not been run.
    """
    if options.after is None:
        return house.source()
    finished = [path for path in sorted(options.out.glob(f"*/{house.folder(options.after).name}")) if stored.load(path)]
    if not finished:
        remedy = f"run it first: tinyc compress {options.recipe.path} --out {options.out}"
        raise UserError(f"--after {options.step}", f"{options.out} has no run that finished this step", remedy)
    return cast(Net, stored.load_state(finished[0], house.bench.dataset.task, house.own_layers))


def remarks(options: Options, found: Sensitivity) -> list[str]:
    """Say what was left alone, and where `prune` gets another network than the one measured."""
    lines = [f"left alone: {skip.layer}: {skip.why}" for skip in found.skipped]
    uses = [step.transform.use for step in options.recipe.steps]
    before = uses.index("prune") if "prune" in uses else 0
    if options.after is None and before:
        lines.append(f"note: prune is step {before + 1}; for the network that it gets: --after {before}")
    return lines
