"""Batches of one epoch: drawn in a seeded order, augmented, turned to floats, one chunk ahead of the training."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyc.data.augment import view
from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.spec.training import FitOptions
from tinyc.tasks.classification.objectives import Objective
from tinyc.training.teachers import teachers_task

T = TypeVar("T")
CHUNK = 512
"""Examples prepared at once: enough for numpy to run long without Python, few enough to stay small in memory."""


@dataclass(frozen=True)
class Feed:
    """Where batches come from; `batch` is at most the size of the training split."""

    data: TrainingData
    objective: Objective
    augment: tuple[str, ...]
    seed: int
    batch: int

    @classmethod
    def of(cls, data: TrainingData, objective: Objective, options: FitOptions, seed: int) -> Feed:
        return cls(data, objective, options.augment, seed, min(options.batch, len(data.train)))

    @property
    def steps(self) -> int:
        """Batches in an epoch: whole ones only, so that every step has one static shape.

        The order is drawn anew each epoch, so what is left out differs from epoch to epoch.
        """
        return len(self.data.train) // self.batch


def batches(feed: Feed, epoch: int) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """Yield (floats, labels, targets) of one epoch; the same seed and epoch give the same arrays."""
    for floats, labels, targets in ahead(chunks(feed, epoch)):
        for start in range(0, len(labels), feed.batch):
            part = slice(start, start + feed.batch)
            yield floats[part], labels[part], tuple(target[part] for target in targets)


def chunks(feed: Feed, epoch: int) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """Prepare a whole number of batches at a time."""
    order = epoch_order(feed, epoch)
    size = feed.batch * max(1, CHUNK // feed.batch)
    for start in range(0, len(order), size):
        yield prepare(feed, order[start : start + size], epoch)


def epoch_order(feed: Feed, epoch: int) -> NDArray[np.int64]:
    """Rows of the training split in the order of this epoch."""
    order = np.random.default_rng([feed.seed, epoch]).permutation(len(feed.data.train))
    return order[: feed.steps * feed.batch]


def prepare(feed: Feed, rows: NDArray[np.int64], epoch: int) -> tuple[Any, Any, tuple[Any, ...]]:
    """Augment the given rows and compute what the objective wants beside their labels."""
    train = feed.data.train
    seed, number = feed.objective.view(epoch)
    examples = view(train.x[rows], train.ids[rows], seed, number, feed.augment, feed.data.lexicon)
    task = feed.data.task
    images = inputs(examples, task)
    if not feed.objective.targets:
        return images, train.y[rows].astype("int32"), ()
    told = inputs(examples, teachers_task(task)) if task.front or task.source_scaling else images
    targets = feed.objective.targets(told, rows, epoch)
    return images, train.y[rows].astype("int32"), targets


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the same items, computing the next one in a thread meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item
