"""A place in the user cache for the checkpoints of a pass's training, so that a killed pass goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinyc.core import cache, units
from tinyc.network.contract import Context
from tinyc.spec.training import TRAINING, FitOptions, Trained
from tinyc.tasks.classification.objectives import Objective
from tinyc.training import checkpoints
from tinyc.training.fit import fit

WORTH_SAYING = 64 * 1024**2
"""Bytes of disk from which a pass says what its checkpoints need."""


def resumable_fit(
    model: Any,
    options: FitOptions,
    objective: Objective,
    context: Context,
    title: str,
    *,
    callbacks: Sequence[Any] = (),
    details: Sequence[Any] = (),
    kept: list[Path] | None = None,
) -> Trained:
    """Fit with epoch checkpoints in the cache, which are deleted at the end; or the last stays, and `kept` knows it.

    The key holds the weights that the training begins with, so that no other training can meet its checkpoints;
    `details` are the objective's own parameters (temperature, store key, ...).

    Raises:
        MachineError: the disk has no room for two checkpoints.
    """
    if context.rehearse is not None or options.epochs == 0:
        return fit(model, options, objective, context, title)
    folder = context.cache / "trainings" / training_key(model, options, context, [objective.name, title, *details])
    reserve(folder, checkpoint_bytes(model, options.optimizer) + floats(checkpoints.held(callbacks)), context)
    facts = fit(model, options, objective, context, title, callbacks=callbacks, checkpoints=folder)
    if kept is None:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        checkpoints.keep_last(folder)
        kept.append(folder)
    return facts


@contextmanager
def outliving() -> Iterator[list[Path]]:
    """Gather checkpoints of trainings that follow each other, and delete them once all have ended.

    What is stopped in between leaves them: a second call finds each finished training done.
    """
    kept: list[Path] = []
    yield kept
    for folder in kept:
        shutil.rmtree(folder, ignore_errors=True)


def training_key(model: Any, options: FitOptions, context: Context, details: Sequence[Any]) -> str:
    """Key of a training: the weights at its begin, its options, its data and what becomes of it, and its seed."""
    total = hashlib.sha256()
    parts = [TRAINING, options.model_dump(mode="json"), context.data.digest, context.seed, *details]
    total.update(json.dumps(parts).encode())
    if context.data.task.tokenizer:
        words = context.data.task.tokenizer
        total.update(json.dumps([words.definition, words.length, words.origin]).encode())
    if context.data.task.columns:
        total.update(json.dumps(context.data.task.columns).encode())
    if context.data.task.front:
        total.update(context.data.task.front.to_json().encode())
    for weight in model.get_weights():
        total.update(str(weight.shape).encode() + weight.tobytes())
    return total.hexdigest()


def checkpoint_bytes(model: Any, optimizer: str) -> int:
    """Bytes of one checkpoint: the weights, and one (sgd) or two (adam) slots for each trainable one."""
    slots = 1 if optimizer == "sgd" else 2
    return floats(model.weights) + slots * floats(model.trainable_weights)


def floats(variables: Sequence[Any]) -> int:
    return sum(4 * int(variable.shape.num_elements()) for variable in variables)


def reserve(folder: Path, checkpoint: int, context: Context) -> None:
    """Check that two checkpoints and one in the making fit on the disk; a large need is said."""
    needed = 3 * checkpoint
    if needed > WORTH_SAYING:
        context.progress.say(f"checkpoints: up to {units.show_bytes(needed)} in {folder}, deleted at the end")
    cache.require(folder, needed)
