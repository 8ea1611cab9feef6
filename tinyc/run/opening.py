"""A recipe opened: its data, its interpreters, its folders and keys, for every command that works on one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import tomli_w

from tinyc import measure
from tinyc.core import run_folder
from tinyc.core.progress import Progress
from tinyc.core.run_folder import RunFolder
from tinyc.data.dataset import Dataset
from tinyc.data.loading import load_dataset
from tinyc.data.task import Task
from tinyc.network.checkpoint import language
from tinyc.network.contract import Context
from tinyc.network.places import locate
from tinyc.network.state import Flat, Net
from tinyc.network.taken import input_shape
from tinyc.run import keys, newest
from tinyc.run.keys import Keys
from tinyc.run.recipe_files import require_outside, require_own
from tinyc.spec import origin
from tinyc.spec.contract import Pass
from tinyc.spec.on_device import require_operators
from tinyc.spec.passes.verify import Compared
from tinyc.spec.recipe import Recipe
from tinyc.spec.training import SourceTrained, Timed
from tinyc.tflite.run.pool import Pool


@dataclass(frozen=True)
class Run:
    """One recipe, and what its steps need.

    Attributes:
        folder: where its steps are kept.
        cache: the user cache.
        dataset: its data, cut.
        pool: the worker processes that run artifacts.
        progress: where to say how far the work is.
        checkpoint: where the source's was found; None where it names none.
        start: the number (from 1) of the first step to do again though it is finished; None: none, 0: all.
    """

    recipe: Recipe
    folder: RunFolder
    cache: Path
    dataset: Dataset
    pool: Pool
    progress: Progress
    checkpoint: Path | None = None
    start: int | None = None

    @cached_property
    def keys(self) -> Keys:
        """The content key of the source and of every step, over the files that the recipe names."""
        return keys.of_recipe(self.recipe, self.dataset.digest, self.recipe.find, self.checkpoint)

    def context(
        self,
        index: int,
        source: Net,
        source_key: str,
        earlier: tuple[Pass, ...],
        rehearse: Literal["lower", "upper"] | None = None,
        task: Task | None = None,
    ) -> Context:
        """Return what pass `index` may use: the data as the state that it takes sees it, and never the test split."""
        data = self.dataset.for_training()
        return Context(
            seed=self.recipe.seed * 1000 + index,
            data=replace(data, task=task or data.task),
            source=source,
            source_key=source_key,
            earlier=earlier,
            cache=self.cache,
            find=self.recipe.find,
            progress=self.progress,
            rehearse=rehearse,
            compare=self.compare,
            spec=self.recipe.data.fitted(data.task.scale, data.task.offset)
            .spelt_out()
            .model_dump_json(exclude_none=True),
            device=self.recipe.device,
        )

    def compare(self, flat: Flat) -> Compared:
        """Run an artifact under every runtime over the test split."""
        return measure.compare_runtimes(flat, self.dataset, self.pool, self.progress)


@dataclass(frozen=True)
class OpenedSource:
    """The source network with its weights; `training` are the facts of its training, None where there was none."""

    net: Net
    training: Timed | SourceTrained | None = None


@contextmanager
def open_run(
    recipe: Recipe, folder: Path, cache: Path, progress: Progress, start: int | None = None, workers: int | None = None
) -> Iterator[Run]:
    """Load a recipe's data and start the workers; the folder is neither made nor held.

    Args:
        workers: how many worker processes; None: one a core.

    Raises:
        UserError, MachineError: the data or the source's checkpoint cannot be used, or the recipe's device cannot run
            the network that it ends in.
    """
    if recipe.device:
        require_operators(recipe, recipe.device)
    with Pool(workers) as pool:
        dataset, checkpoint = examples(recipe, cache, progress)
        yield Run(recipe, RunFolder(folder), cache, dataset, pool, progress, checkpoint, start)


@contextmanager
def open_own_run(recipe: Recipe, out: Path, cache: Path, progress: Progress, start: int | None = None) -> Iterator[Run]:
    """Open a run that does its steps, and hold its folder in `out`; what another recipe left there is moved first.

    Raises:
        UserError: the data or a file cannot be used; or the recipe needs a file out of a folder that has to move.
        MachineError: another process writes in the folder.
    """
    plain, may_move = out / recipe.name, partial(require_outside, recipe)
    # Asked again when the folder is held; here before anything is read, since loading takes long.
    if plain.is_dir() and newest.has_to_move(plain, recipe.sha256):
        may_move(plain)
    require_own(recipe, plain)
    with open_run(recipe, plain, cache, progress, start) as run:
        run.keys  # noqa: B018  a file that is missing is said before any folder moves
        with newest.claim_folder(out, recipe.name, recipe.sha256, progress.say, may_move):
            sign(recipe, plain)
            yield run


def sign(recipe: Recipe, folder: Path) -> None:
    """Write whose run a folder holds: the resolved recipe, and the file that it comes from."""
    run_folder.replace(folder / origin.RECIPE, tomli_w.dumps(dict(recipe.table)).encode())
    run_folder.replace(folder / origin.NAME, origin.origin_json(recipe.sha256, recipe.origin, folder).encode())


def examples(recipe: Recipe, cache: Path, shown: Progress) -> tuple[Dataset, Path | None]:
    """Load the data, in the words of the source's checkpoint where it has one; give the checkpoint's folder too.

    Raises:
        UserError, MachineError: the data or the checkpoint cannot be used.
    """
    name = recipe.source.checkpoint
    folder = locate(name, recipe.find, cache, shown.say) if name else None
    words = language(folder) if folder else None
    dataset = load_dataset(recipe.data, recipe.find, cache, recipe.seed, words)
    return as_taken(dataset, recipe), folder


def as_taken(dataset: Dataset, recipe: Recipe) -> Dataset:
    """Take a grey image's channel off again where the source's file takes (time, channels)."""
    file, shape = recipe.source.file, dataset.task.input_shape
    if file is None or len(shape) != 3 or shape[-1] != 1:
        return dataset
    taken = input_shape(recipe.find(file), f"{recipe.path}: source")
    return dataset.without_channel() if taken is not None and len(taken) == 2 else dataset
