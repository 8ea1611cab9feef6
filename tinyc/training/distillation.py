"""Which objective a training has: soft labels from the store, from the teachers in the loop, or labels alone."""

from __future__ import annotations

from typing import Literal, Protocol

from tinyc.network.contract import Context
from tinyc.spec.training import FitOptions, TaughtBy
from tinyc.tasks.classification.objectives import Objective, distillation, labels
from tinyc.training.predict import accuracy
from tinyc.training.store import soft_labels
from tinyc.training.teachers import Panel, find_panel, teachers_task


class Teaching(Protocol):
    """How a network is taught: the fields of the pass `distill` that a later fine-tuning takes up."""

    @property
    def temperature(self) -> float: ...
    @property
    def alpha(self) -> float: ...
    @property
    def views(self) -> int | Literal["fresh"]: ...
    @property
    def clean(self) -> bool: ...
    @property
    def teachers(self) -> tuple[str, ...]: ...


def objective(
    teaching: Teaching | None, panel: Panel | None, options: FitOptions, context: Context
) -> tuple[Objective, TaughtBy]:
    """Choose the objective, and give the facts about its teachers; without a panel it is labels alone."""
    if teaching is None or panel is None or options.epochs == 0:
        return labels(context.seed, options.label_smoothing), {}
    facts: TaughtBy = {"teachers": [teacher.name for teacher in panel.teachers]}
    if teaching.views == "fresh":
        return fresh(teaching, panel, options, context), facts
    store = soft_labels(panel, options.augment, min(teaching.views, options.epochs), context, teaching.clean)
    chosen = distillation(teaching.temperature, teaching.alpha, options.label_smoothing, store.view, store.targets)
    return chosen, {**facts, "store": store.facts(context.data)}


def panel_of(teaching: Teaching | None, context: Context) -> Panel | None:
    """Find the teachers; alpha 0 is labels alone, and asks none."""
    if teaching is None or teaching.alpha == 0:
        return None
    return find_panel(teaching.teachers, context)


def fresh(teaching: Teaching, panel: Panel, options: FitOptions, context: Context) -> Objective:
    """Draw a new view in each epoch and run the teachers on it ahead of the student: slower, nothing stored."""
    predict = panel.predict
    return distillation(
        teaching.temperature,
        teaching.alpha,
        options.label_smoothing,
        lambda epoch: (context.seed, epoch),
        lambda images, _, __: tuple(predict(images)),
    )


def validation_accuracy(panel: Panel, context: Context) -> float | None:
    """Return how often the teachers together are right on the validation split; None where it is empty."""
    data = context.data
    if not len(data.validation):
        return None
    return round(accuracy(panel.predict, data.validation, teachers_task(data.task)), 6)
