"""A finished run opened for a diagnosis: the network before `quantize`, the artifact after it, and the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tinyc.core.errors import UserError
from tinyc.core.progress import Progress
from tinyc.data.dataset import TrainingData
from tinyc.network import backend
from tinyc.network.state import Flat, Net
from tinyc.quantization.input_scaling import pulled_out
from tinyc.run import diagnosing, stored
from tinyc.run.opening import Run, open_run
from tinyc.run.recipe_files import named_files
from tinyc.run.steps import StepRunner
from tinyc.run.stored import Done
from tinyc.spec import gallery
from tinyc.spec.load import load
from tinyc.spec.origin import RECIPE
from tinyc.spec.passes import PASSES, apply
from tinyc.spec.recipe import Recipe, Step
from tinyc.tflite.run.pool import Pool

FEW_PARENTS = 3
TRIED = ("per_channel_dense", "calibrate", "percentile", "calibration", "weights", "activations", "exclude",
         "bias_correction", "equalize", "reestimate", "precision", "flash")  # fmt: skip


@dataclass(frozen=True)
class Quantized:
    """One `quantize` step of a finished run; `before` and `after` are what its neighbours left, with their figures."""

    run: Run
    index: int
    net: Net
    flat: Flat
    before: Done
    after: Done

    @property
    def step(self) -> Step:
        return self.run.recipe.steps[self.index - 1]

    @property
    def options(self) -> dict[str, Any]:
        return diagnosing.options(self.step)

    @property
    def data(self) -> TrainingData:
        return self.run.dataset.for_training()

    @property
    def pool(self) -> Pool:
        return self.run.pool

    def quantized(self, changes: Mapping[str, Any]) -> bytes:
        """Quantize the network again after training, with some keys changed; give the artifact's bytes.

        Raises:
            UserError: the keys contradict each other, or the network has no such form.
        """
        use, now = self.step.transform.use, self.options
        table = {key: now[key] for key in TRIED if key in now} | dict(changes) | {"use": use, "how": "ptq"}
        if table.get("calibrate") != "percentile":
            table.pop("percentile", None)
        try:
            transform = PASSES[use].model_validate(table)
        except ValidationError as error:
            problem = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise UserError(use, problem, "try it on its own") from error
        nothing = Net(None, self.net.task)
        earlier = tuple(step.transform for step in self.run.recipe.steps[: self.index - 1])
        context = self.run.context(self.index, nothing, "", earlier, task=self.net.task)
        state = apply(transform, self.net, context).state
        if state.task.columns != self.net.task.columns:
            problem = "its columns are scaled before the int8 input now, and this run was made without"
            raise UserError(use, problem, "run the recipe again")
        return bytes(state.content)


@contextmanager
def open_quantized(folder: Path, cache: Path, progress: Progress) -> Iterator[Quantized]:
    """Read a finished run up to its `quantize` step; nothing in it is changed.

    Raises:
        UserError: the folder holds no such run, or the files that its recipe names are not found.
    """
    recipe = read_recipe(folder)
    index = quantizing(recipe, folder)
    after, before = finished(folder, recipe, index), finished(folder, recipe, index - 1)
    with open_run(recipe, folder, cache, progress) as run:
        runner = StepRunner(run)
        backend.keras()  # a file of the user's that imports it next would let it write its greetings
        net = runner.state_before(index, before)
        flat = stored.load_state(after.folder, run.dataset.task, runner.own_layers)
        if not isinstance(net, Net) or not isinstance(flat, Flat):
            raise UserError(str(folder), "its quantize step is damaged", "run the recipe again")
        pulled = pulled_out(net) if flat.task.columns != net.task.columns else None
        yield Quantized(run, index, pulled.net if pulled else net, flat, before, after)


def read_recipe(folder: Path) -> Recipe:
    """Read the resolved recipe that a run leaves in its folder, and put it where its paths lead somewhere.

    Raises:
        UserError: there is none, or no place has the files that it names.
    """
    if not (folder / RECIPE).is_file():
        remedy = "give the folder of a finished run, e.g. runs/resnet50-tiny"
        raise UserError(str(folder), f"holds no {RECIPE}", remedy)
    return at_home(load(str(folder / RECIPE)), folder)


def quantizing(recipe: Recipe, folder: Path) -> int:
    """Return the number, from 1, of the pass that makes the artifact of the network."""
    for index, step in enumerate(recipe.steps, start=1):
        if step.transform.takes == "net" and step.transform.gives == "flat":
            return index
    raise UserError(str(folder), "has no quantize step, so that nothing was lost by one", "give another run")


def finished(folder: Path, recipe: Recipe, index: int) -> Done:
    """Return a finished step of a run by its number; 0 is the source. The latest, where there are several."""
    use = recipe.steps[index - 1].transform.use if index else "source"
    found = sorted(folder.glob(f"{index:02d}-{use}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    done = next((done for path in found if ".damaged-" not in path.name and (done := stored.load_step(path))), None)
    if done is None:
        raise UserError(str(folder), f"its step {index} ({use}) is missing or damaged", "run the recipe again")
    return done


def at_home(recipe: Recipe, folder: Path) -> Recipe:
    """Put a run's recipe where its paths lead somewhere: where it was run, in the run's folder, above it, or here.

    Raises:
        UserError: there is no such place.
    """
    here = Path.cwd()
    folder = folder.resolve()
    places = [recipe.folder, folder, *list(folder.parents)[:FEW_PARENTS], here, here / "recipes"]
    names = [*named_files(recipe)]
    for place in dict.fromkeys(places):
        if all(exists(name, place) for name in names):
            return dataclasses.replace(recipe, origin=place / RECIPE)
    missing = next(name for name in names if not any(exists(name, place) for place in places)) if names else ""
    remedy = f"call it from the folder that {missing} lies in"
    raise UserError(str(folder / RECIPE), f"{missing!r} is not found from here", remedy)


def exists(name: str, place: Path) -> bool:
    try:
        gallery.find(name, place, RECIPE)
    except UserError:
        return False
    return True
