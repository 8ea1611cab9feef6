"""The soft-label store: the teachers run once over each view of the training split; students read what they said.

    <cache>/soft-labels/<key>/view-00.npz    logits, float16, (examples, classes), in the order of the split
    <cache>/soft-labels/<key>/clean.npz      the same of the examples as they are

Each file is whole or absent, so that a build that was stopped goes on at the next view. The logits of an example are
shifted to a largest of zero, which no softmax sees and which spends float16's precision where it counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import cache, progress, units
from tinyc.core.progress import Progress
from tinyc.data.augment import IDENTITY, view
from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.network.contract import Context
from tinyc.spec.training import TRAINING, Stored
from tinyc.training.checkpoints import UNREADABLE, read_arrays, write_arrays
from tinyc.training.teachers import Panel, teachers_task

CHUNK = 2048
"""Examples augmented and labelled between two signs of progress."""
HEADER = 1024
"""Bytes that a file needs beside its logits, at most."""


@dataclass(frozen=True)
class Store:
    """Soft labels of the training split; `logits[view]` is (examples, classes) float16, `built` were made just now.

    `first` is the id of the first view: 0, or IDENTITY where it is the examples as they are.
    """

    key: str
    seed: int
    logits: list[NDArray[np.float16]] = field(repr=False)
    built: int
    first: int = 0

    def view(self, epoch: int) -> tuple[int, int]:
        """Return the (seed, view id) of an epoch's images: the very images that the epoch's soft labels belong to."""
        return self.seed, self.first + epoch % len(self.logits)

    def targets(self, _: Any, rows: NDArray[np.int64], epoch: int) -> tuple[NDArray[np.float32]]:
        """Return the teachers' logits for rows of the training split."""
        return (self.logits[epoch % len(self.logits)][rows].astype("float32"),)

    def facts(self, data: TrainingData) -> Stored:
        """Return what is stored, how much of it was there already, and the teachers' accuracy on each view."""
        right = [float((logits.argmax(-1) == data.train.y).mean()) for logits in self.logits]
        return {
            "key": self.key,
            "bytes": sum(logits.nbytes for logits in self.logits),
            "views": len(self.logits),
            "views_reused": len(self.logits) - self.built,
            "teacher_train_accuracy": [round(value, 6) for value in right],
        }


def soft_labels(panel: Panel, augment: tuple[str, ...], views: int, context: Context, clean: bool = False) -> Store:
    """Read `views` views from the store; what is missing or corrupt is made first.

    The views are drawn from the source's key, not from the step's seed: all steps of a recipe share one store.
    With `clean` the first view is the examples as they are. Without augmentation every view is that, and one is made.

    Raises:
        MachineError: there is no room for it, or the cache cannot be written to.
    """
    if not augment:
        views, clean = 1, False
    seed = int(hashlib.sha256(context.source_key.encode()).hexdigest()[:7], 16)
    key = store_key(panel, augment, seed, context.data)
    folder = context.cache / "soft-labels" / key
    with cache.locked(folder, context.progress.say):
        first = IDENTITY if clean else 0
        logits = {view: load_view(view_path(folder, view), context) for view in range(first, first + views)}
        missing = [view for view, array in logits.items() if array is None]
        if missing:
            announce(folder, len(missing), context)
            logits |= store_views(folder, missing, Labeller(panel, context.data, augment, seed), context.progress)
    return Store(key, seed, [array for array in logits.values() if array is not None], len(missing), first)


def store_key(panel: Panel, augment: tuple[str, ...], seed: int, data: TrainingData) -> str:
    """Key of everything that a soft label depends on but its view."""
    keys = [teacher.key for teacher in panel.teachers]
    parts = [TRAINING, keys, *examples_key(data), augment, seed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def examples_key(data: TrainingData) -> list[Any]:
    """Return what decides the teachers' inputs: the split, and how its raw examples become a network's.

    A front is not part of it: teachers see the raw signal, with and without one.
    """
    ids = hashlib.sha256(data.train.ids.tobytes()).hexdigest()
    tokenizer = data.task.tokenizer
    pieces = [tokenizer.definition, tokenizer.length, tokenizer.origin] if tokenizer else None
    task = teachers_task(data.task)
    return [data.digest, ids, task.scale, task.offset, pieces]


def view_path(folder: Path, view: int) -> Path:
    return folder / ("clean.npz" if view == IDENTITY else f"view-{view:02d}.npz")


def load_view(path: Path, context: Context) -> NDArray[np.float16] | None:
    """Read one view, or None where it is missing or corrupt; the latter is said."""
    if not path.exists():
        return None
    try:
        logits: NDArray[np.float16] = read_arrays(path)[0]["logits"]
        if logits.shape != (len(context.data.train), len(context.data.task.classes)):
            raise ValueError(f"it holds an array of shape {logits.shape}")
    except UNREADABLE as error:
        context.progress.say(f"{path}: computed again, {error}")
        return None
    return logits


def announce(folder: Path, views: int, context: Context) -> None:
    """Say the disk that the store needs, and check that it is there."""
    needed = views * (len(context.data.train) * len(context.data.task.classes) * 2 + HEADER)
    context.progress.say(f"soft labels of {views} view{'s' * (views > 1)}: {units.show_bytes(needed)} in {folder}")
    cache.require(folder, needed)


@dataclass(frozen=True)
class Labeller:
    """What says which soft labels: the teachers over views of the training split."""

    panel: Panel
    data: TrainingData
    augment: tuple[str, ...]
    seed: int


def store_views(
    folder: Path, views: Sequence[int], labeller: Labeller, shown: Progress
) -> dict[int, NDArray[np.float16] | None]:
    """Run the teachers over the given views and store what they say, view by view."""
    predict = labeller.panel.predict
    made: dict[int, NDArray[np.float16] | None] = {}
    with progress.task(shown, "soft labels", len(views) * len(labeller.data.train)):
        for view in views:
            made[view] = label_view(labeller, view, lambda images: predict(images)[0], shown.advance)
            write_arrays(view_path(folder, view), {"logits": made[view]}, json.dumps({"view": view}))
    return made


def label_view(
    labeller: Labeller, number: int, predict: Callable[[Any], Any], advance: Callable[[int], None]
) -> NDArray[np.float16]:
    """Label one view of the whole training split."""
    train, parts = labeller.data.train, []
    for start in range(0, len(train), CHUNK):
        rows = slice(start, start + CHUNK)
        images = view(train.x[rows], train.ids[rows], labeller.seed, number, labeller.augment, labeller.data.lexicon)
        logits = predict(inputs(images, teachers_task(labeller.data.task)))
        parts.append(np.clip(logits - logits.max(-1, keepdims=True), -65504, 0).astype(np.float16))
        advance(len(images))
    return np.concatenate(parts)
