"""The training loop of a pass under example-level differential privacy: epochs, checkpoints, budget, facts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyc.core import progress
from tinyc.data import augment
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.spec.privacy import Privacy, Promised
from tinyc.spec.training import FitOptions, Trained
from tinyc.tasks.classification.objectives import Objective
from tinyc.training import checkpoints as saved
from tinyc.training.batches import Feed, prepare
from tinyc.training.fit import describe
from tinyc.training.predict import accuracy, predictor
from tinyc.training.private import accounting
from tinyc.training.private.accounting import Plan, Schedule
from tinyc.training.private.conditions import conditions, of_distillation
from tinyc.training.private.gradients import refuse_mixing, switched_off
from tinyc.training.private.steps import Examples, Mechanism, PrivateTraining, begin, mean_loss, run_step, steps_of
from tinyc.training.resume import checkpoint_bytes, reserve, training_key
from tinyc.training.schedule import learning_rates


@dataclass(frozen=True)
class Promise:
    """What was asked for, and what it comes to for this data."""

    privacy: Privacy
    schedule: Schedule
    plan: Plan

    @property
    def stopped(self) -> str | None:
        """Why the training is shorter than the recipe says, or None."""
        if self.plan.times == self.schedule.times:
            return None
        return f"after {self.plan.times} of {self.schedule.times} steps: one more would exceed the budget of epsilon"


def fit_within(
    model: Any,
    privacy: Privacy,
    batchnorm: str,
    options: FitOptions,
    objective: Objective,
    context: Context,
    title: str,
    *,
    details: Sequence[Any] = (),
) -> Trained:
    """Train `model` in place by DP-SGD on the training split, with epoch checkpoints in the cache.

    An epoch is the steps that draw each example once on average. Learning rates run over the steps that the budget
    allows. The objective may have soft labels of each example, which count as given.

    Returns:
        Facts as of `fit`, and `privacy`: noise, steps, epsilon by epoch and at the end, conditions.

    Raises:
        UserError: the network mixes examples, the budget allows no step, or the loss is not a number.
        MachineError: dp-accounting is not installed, or a checkpoint cannot be written.
    """
    augment.suits(options.augment, context.data, f"{title}: augment")
    refuse_mixing(model, batchnorm, title)
    if context.rehearse is not None or options.epochs == 0:
        return {"objective": objective.name, "epochs": 0, "examples": 0, "loss": [], "validation_accuracy": []}
    backend.seed_everything(context.seed)
    feed = Feed.of(context.data, objective, options, context.seed)
    promise = promised(privacy, feed, options.epochs)
    key = training_key(model, options, context, [objective.name, title, privacy.model_dump(mode="json"), *details])
    folder = context.cache / "trainings" / key
    reserve(folder, checkpoint_bytes(model, options.optimizer), context)
    training = started(model, promise, feed, options)
    fingerprint = describe(model, options, objective, context)
    history, drawn = run(training, promise, feed, options, context, title, folder, fingerprint)
    shutil.rmtree(folder, ignore_errors=True)
    return facts(training, promise, history, drawn, objective.name, bool(options.augment))


def promised(privacy: Privacy, feed: Feed, epochs: int) -> Promise:
    """Count the steps, choose the noise, and see how far the budget goes."""
    count = len(feed.data.train)
    schedule = accounting.examples(count, feed.batch, epochs * steps_of(feed.batch / count), privacy.delta)
    return Promise(privacy, schedule, accounting.plan(privacy, schedule))


def started(model: Any, promise: Promise, feed: Feed, options: FitOptions) -> PrivateTraining:
    """Compile the training; each epoch sees a view of its own, as `fit` has it."""
    mechanism = Mechanism(promise.privacy.clip, promise.plan.noise, promise.schedule.drawn / promise.schedule.units)
    per_epoch = steps_of(mechanism.rate)
    examples = Examples(promise.schedule.units, lambda rows, step: prepare(feed, rows, step // per_epoch))
    return begin(model, mechanism, examples, options, feed.objective, feed.seed)


def run(
    training: PrivateTraining,
    promise: Promise,
    feed: Feed,
    options: FitOptions,
    context: Context,
    title: str,
    folder: Path,
    fingerprint: str,
) -> tuple[saved.History, int]:
    """Train all epochs that no checkpoint holds yet; gives the history, and how many examples were drawn."""
    state = saved.variables(training.model, training.optimizer)
    done, history = saved.restore(folder, fingerprint, state, context.progress.say)
    rates, per_epoch = learning_rates(options, promise.plan.times), steps_of(training.mechanism.rate)
    predict, steps = predictor(training.model), promise.plan.times
    if promise.stopped:
        context.progress.say(f"{title}: stops {promise.stopped}")
    with progress.task(context.progress, title, steps * feed.batch):
        context.progress.advance(min(done * per_epoch, steps) * feed.batch)
        for epoch in range(done, -(-steps // per_epoch)):
            taken = []
            for step in range(epoch * per_epoch, min(steps, (epoch + 1) * per_epoch)):
                taken.append(run_step(training, step, float(rates[step])))
                context.progress.advance(feed.batch, f"loss {mean_loss(taken):.3f}")
            history.setdefault("loss", []).append(mean_loss(taken))
            history.setdefault("drawn", []).append(sum(count for count, _ in taken))
            if len(feed.data.validation):
                reached = accuracy(predict, feed.data.validation, feed.data.task)
                history.setdefault("validation_accuracy", []).append(reached)
            saved.save_checkpoint(folder, fingerprint, epoch + 1, history, state)
    return history, int(sum(history["drawn"]))


def facts(
    training: PrivateTraining, promise: Promise, history: saved.History, drawn: int, name: str, augmented: bool
) -> Trained:
    """Return what the training found out; no times."""
    reached = history.get("validation_accuracy", [])
    best = max(range(len(reached)), key=lambda epoch: reached[epoch]) if reached else None
    return {
        "objective": name,
        "epochs": len(history["loss"]),
        "examples": drawn,
        "loss": [round(value, 6) for value in history["loss"]],
        "validation_accuracy": [round(value, 6) for value in reached],
        "best_validation_accuracy": None if best is None else round(reached[best], 6),
        "best_epoch": None if best is None else best + 1,
        "privacy": privacy_facts(training, promise, augmented),
    }


def privacy_facts(training: PrivateTraining, promise: Promise, augmented: bool) -> Promised:
    """Return what was promised, what it cost by epoch, and under which conditions."""
    plan, schedule = promise.plan, promise.schedule
    per_epoch = steps_of(training.mechanism.rate)
    ends = [min(plan.times, end) for end in range(per_epoch, plan.times + per_epoch, per_epoch)]
    return {
        "level": promise.privacy.level,
        "clip": promise.privacy.clip,
        "noise": plan.noise,
        "epsilon": plan.epsilon,
        "delta": promise.privacy.delta,
        "budget": promise.privacy.epsilon,
        "epsilon_by_epoch": [round(accounting.spent(plan.noise, schedule, end), 6) for end in ends],
        "steps": plan.times,
        "stopped": promise.stopped,
        "sampling": schedule.sampling,
        "sampling_probability": training.mechanism.rate,
        "expected_batch": schedule.drawn,
        "switched_off": switched_off(training.model),
        "conditions": conditions(promise.privacy, schedule) + of_distillation(augmented),
    }
