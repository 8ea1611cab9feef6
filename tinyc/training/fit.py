"""The training loop: one compiled step, seeded batches, and a checkpoint after each epoch.

It also trains networks in TFMOT's wrappers, and drives their Keras callbacks.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from tinyc.core import progress
from tinyc.core.errors import UserError
from tinyc.core.progress import Progress
from tinyc.data import augment
from tinyc.data.dataset import TrainingData
from tinyc.network import backend
from tinyc.spec.training import FitOptions, Trained
from tinyc.tasks.classification.objectives import Objective
from tinyc.training import checkpoints as saved
from tinyc.training.batches import Feed, batches
from tinyc.training.predict import Predict, accuracy, predictor
from tinyc.training.randomness import reseed, reseedable
from tinyc.training.schedule import build_optimizer, learning_rates
from tinyc.training.step import Step, compile_step

LOOK = 10
"""Steps between two looks at the loss; each look waits for the device."""


class FitContext(Protocol):
    """What the loop needs of a pass's context."""

    @property
    def seed(self) -> int: ...
    @property
    def data(self) -> TrainingData: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def rehearse(self) -> Literal["lower", "upper"] | None: ...


@dataclass
class Training:
    """One training under way; `history` grows by one figure an epoch."""

    model: Any
    optimizer: Any
    feed: Feed
    title: str
    progress: Progress
    step: Step
    predict: Predict
    rates: Any
    callbacks: Sequence[Any] = ()
    history: saved.History = field(default_factory=dict)


def fit(
    model: Any,
    options: FitOptions,
    objective: Objective,
    context: FitContext,
    title: str,
    *,
    callbacks: Sequence[Any] = (),
    checkpoints: Path | None = None,
) -> Trained:
    """Train `model` in place on the training split; its weights at the end are those of the last epoch.

    Args:
        model: a Keras network, also in TFMOT's wrappers.
        callbacks: Keras callbacks, called around the training, each epoch and each step.
        checkpoints: a folder for epoch checkpoints; a training that finds some there goes on from the last,
            and ends with the same bytes as an undisturbed one.

    Returns:
        Facts: epochs, examples seen, loss and validation accuracy by epoch, and the best epoch of them.

    Raises:
        UserError: the loss is not a number, there are no training examples, an augmentation does not suit them, or no
            layer is trainable.
        MachineError: a checkpoint cannot be written.
    """
    augment.suits(options.augment, context.data, f"{title}: augment")
    if context.rehearse is not None or options.epochs == 0:
        return {"objective": objective.name, "epochs": 0, "examples": 0, "loss": [], "validation_accuracy": []}
    with reseedable(model) as generators:
        backend.seed_everything(context.seed)
        feed = feed_of(options, objective, context, title)
        training = begin(model, options, feed, context.progress, title)
        training.callbacks = callbacks
        fingerprint = describe(model, options, objective, context)
        run(training, options.epochs, generators, checkpoints, fingerprint)
    return facts(training, objective, options.epochs)


def feed_of(options: FitOptions, objective: Objective, context: FitContext, title: str) -> Feed:
    """Say where batches come from; refuse an empty training split."""
    if not len(context.data.train):
        raise UserError(title, "the training split is empty", "give the data more examples")
    return Feed.of(context.data, objective, options, context.seed)


def begin(model: Any, options: FitOptions, feed: Feed, shown: Progress, title: str) -> Training:
    """Set up the optimizer, the compiled step and the learning rates; refuse a network that cannot change."""
    if not model.trainable_variables:
        problem = f"no layer of the network {model.name!r} is trainable, so that no epoch would change it"
        raise UserError(title, problem, "set trainable = True for the layers to train, or write epochs = 0")
    optimizer = build_optimizer(options, model)
    penalty = options.weight_decay if options.optimizer != "adamw" else 0.0
    step = compile_step(model, optimizer, feed.objective, penalty)
    rates = learning_rates(options, options.epochs * feed.steps)
    return Training(model, optimizer, feed, title, shown, step, predictor(model), rates)


def run(training: Training, epochs: int, generators: Sequence[Any], folder: Path | None, fingerprint: str) -> None:
    """Train all epochs that no checkpoint holds yet."""
    state = saved.variables(training.model, training.optimizer, training.callbacks)
    done = 0
    if folder:
        done, training.history = saved.restore(folder, fingerprint, state, training.progress.say)
    size = training.feed.steps * training.feed.batch
    with progress.task(training.progress, training.title, epochs * size), attached(training):
        training.progress.advance(done * size)
        for epoch in range(done, epochs):
            reseed(generators, training.feed.seed, epoch)
            run_epoch(training, epoch)
            if folder:
                saved.save_checkpoint(folder, fingerprint, epoch + 1, training.history, state)


def run_epoch(training: Training, epoch: int) -> None:
    """Train one epoch, and add its mean loss and its validation accuracy to the history."""
    call(training, "on_epoch_begin", epoch)
    first = epoch * training.feed.steps
    losses: list[Any] = []
    seen: list[float] = []
    for index, batch in enumerate(batches(training.feed, epoch)):
        call(training, "on_train_batch_begin", index)
        losses.append(training.step(training.rates[first + index], *batch))
        call(training, "on_train_batch_end", index)
        if len(losses) == LOOK or index + 1 == training.feed.steps:
            seen += look(training, losses, first + index + 1 - len(losses))
            losses = []
        training.progress.advance(training.feed.batch, note(training, seen))
    call(training, "on_epoch_end", epoch)
    training.history.setdefault("loss", []).append(sum(seen) / len(seen))
    data = training.feed.data
    if training.feed.objective.classifies and len(data.validation):
        reached = accuracy(training.predict, data.validation, data.task)
        training.history.setdefault("validation_accuracy", []).append(reached)


def look(training: Training, losses: Sequence[Any], first: int) -> list[float]:
    """Fetch the losses of the last steps, and stop at the first that is not a number."""
    values = [float(loss) for loss in losses]
    for number, value in enumerate(values, first):
        if not math.isfinite(value):
            epoch, step = divmod(number, training.feed.steps)
            where = f"{training.title}, epoch {epoch + 1}, step {step + 1}"
            rate = float(training.rates[number])
            remedy = "lower `learning_rate`, add `warmup = 0.1`, or check the data for extreme values"
            raise UserError(where, f"the loss is {value} at a learning rate of {rate:.3g}", remedy)
    return values


def note(training: Training, seen: Sequence[float]) -> str:
    """Return the live figures: the loss of late, and the last validation accuracy."""
    parts = [f"loss {sum(seen[-50:]) / len(seen[-50:]):.3f}"] if seen else []
    parts += [f"val {value:.3f}" for value in training.history.get("validation_accuracy", [])[-1:]]
    return " ".join(parts)


@contextmanager
def attached(training: Training) -> Iterator[None]:
    """Let the callbacks see the network with its optimizer, from the start of the training to its end."""
    before = getattr(training.model, "optimizer", None)
    training.model.optimizer = training.optimizer
    try:
        for callback in training.callbacks:
            callback.set_model(training.model)
        call(training, "on_train_begin")
        yield
        call(training, "on_train_end")
    finally:
        training.model.optimizer = before


def call(training: Training, event: str, *arguments: int) -> None:
    for callback in training.callbacks:
        getattr(callback, event)(*arguments)


def describe(model: Any, options: FitOptions, objective: Objective, context: FitContext) -> str:
    """Fingerprint of a training, so that it never goes on from another's checkpoint."""
    shapes = [tuple(weight.shape) for weight in model.weights]
    parts = [objective.name, options.model_dump(mode="json"), context.seed, context.data.digest, shapes]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def facts(training: Training, objective: Objective, epochs: int) -> Trained:
    """Return what the training found out; no times, which differ from run to run."""
    reached = training.history.get("validation_accuracy", [])
    best = max(range(len(reached)), key=lambda epoch: reached[epoch]) if reached else None
    return {
        "objective": objective.name,
        "epochs": epochs,
        "examples": epochs * training.feed.steps * training.feed.batch,
        "loss": [round(value, 6) for value in training.history["loss"]],
        "validation_accuracy": [round(value, 6) for value in reached],
        "best_validation_accuracy": None if best is None else round(reached[best], 6),
        "best_epoch": None if best is None else best + 1,
    }
