"""The data of a recipe, in the words and the shape that its source takes."""

from __future__ import annotations

from pathlib import Path

from tinyc.core.progress import Progress
from tinyc.data.dataset import Dataset
from tinyc.data.loading import load_dataset
from tinyc.network.checkpoint import language
from tinyc.network.places import locate
from tinyc.network.taken import input_shape
from tinyc.spec.recipe import Recipe


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
