"""Training: one loop, its objectives, the soft-label store. Importing it imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyc.network.contract import Context
from tinyc.spec.training import FitOptions, Trained
from tinyc.tasks.classification.objectives import Objective, labels
from tinyc.training import distillation
from tinyc.training.resume import resumable_fit


@dataclass(frozen=True)
class Part:
    """Some epochs of a longer training, `epochs` from `first` on.

    `kept` gathers its checkpoints, see `outliving`; `number`, from 0, and `rounds` tell which part it is.
    """

    first: int
    epochs: int
    kept: list[Path] | None = None
    number: int = 0
    rounds: int = 1

    @classmethod
    def of_round(cls, epochs: int, number: int, rounds: int, kept: list[Path]) -> Part:
        """Share `epochs` among rounds."""
        first, end = (epochs * each // rounds for each in (number, number + 1))
        return cls(first, end - first, kept, number, rounds)

    @property
    def name(self) -> str:
        return f", round {self.number + 1} of {self.rounds}" if self.rounds > 1 else ""

    def of(self, objective: Objective) -> Objective:
        """Count the epochs of an objective's views and targets from `first`."""
        targets = objective.targets
        return replace(
            objective,
            view=lambda epoch: objective.view(self.first + epoch),
            targets=targets and (lambda images, rows, epoch: targets(images, rows, self.first + epoch)),
        )


def fine_tune(
    model: Any,
    options: FitOptions,
    context: Context,
    title: str,
    callbacks: Sequence[Any] = (),
    part: Part | None = None,
) -> Trained:
    """Train a changed network on in place, by `options.teach`, the recipe's latest distillation, or by the labels.

    `options.loss = "labels"` takes the labels in any case. A training that was killed goes on from its last epoch.

    Args:
        model: a Keras network, also in TFMOT's wrappers, with logits out.
        callbacks: Keras callbacks such as `UpdatePruningStep`.
        part: train these of the options' epochs only, on their own views, with a schedule of their own.

    Returns:
        The facts of `training.fit.fit`, and what the teachers are and said.
    """
    whole = part or Part(0, options.epochs)
    own = options.model_copy(update={"epochs": whole.epochs})
    if context.rehearse is not None:
        return resumable_fit(model, own, labels(context.seed), context, title)
    teaching: Any = None
    if options.loss == "auto":
        teaching = options.teach or latest_distillation(context)
    panel = distillation.panel_of(teaching, context)
    objective, taught = distillation.objective(teaching, panel, options, context)
    shifted = whole.of(objective)
    details = [teaching.model_dump(mode="json") if teaching else None, context.source_key, whole.first]
    kept = whole.kept
    tuned = resumable_fit(model, own, shifted, context, title, callbacks=callbacks, details=details, kept=kept)
    return {**taught, **tuned}


def latest_distillation(context: Context) -> Any:
    """Give the last pass before this one that had teachers, or None."""
    return next((item for item in reversed(context.earlier) if item.effects.teaches), None)
