"""Real pictures of clothes, and given examples as data sets."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.small import EMBEDDED
from tinyc.data.dataset import Dataset, Split, TrainingData
from tinyc.data.task import Task

CLOTHES = Task(tuple("abcdefghij"), (28, 28, 1), scale=1 / 255)


@functools.cache
def clothes(count: int, part: str = "train") -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The first embedded pictures, (count, 28, 28, 1), and their labels."""
    with np.load(EMBEDDED) as arrays:
        return arrays[f"x_{part}"][:count].reshape(-1, 28, 28, 1), arrays[f"y_{part}"][:count].astype(np.int64)


def training(
    task: Task,
    examples: tuple[NDArray[Any], NDArray[Any]],
    train: slice,
    validation: slice,
    calibration: slice,
    digest: str = "digest",
) -> TrainingData:
    """Cut (examples, labels) into what a pass may see; ids count from the first example."""
    x, y = examples
    ids = np.arange(len(x))

    def part(rows: slice) -> Split:
        return Split(x[rows], y[rows], ids[rows])

    return TrainingData(task, part(train), part(validation), part(calibration), digest)


def undivided(
    task: Task, x: NDArray[Any], y: NDArray[Any], groups: Mapping[str, NDArray[Any]] | None = None
) -> Dataset:
    """A data set in which every split is all examples."""
    every = Split(x, y, np.arange(len(x)), groups or {})
    return Dataset("undivided", task, every, every, every, every, "digest")
