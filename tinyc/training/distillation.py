"""Which objective a training has: soft labels from the store, from the teachers in the loop, or labels alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from tinyc.training.objectives import Objective, distillation, labels
from tinyc.training.predict import accuracy
from tinyc.training.store import soft_labels
from tinyc.training.teachers import Teacher, find_teachers, mean_logits

if TYPE_CHECKING:
    from tinyc.contract import Context
    from tinyc.training.options import FitOptions


class Teaching(Protocol):
    """How a network is taught: the fields of the pass `distill` that a later fine-tuning takes up."""

    @property
    def temperature(self) -> float: ...
    @property
    def alpha(self) -> float: ...
    @property
    def views(self) -> int | Literal["fresh"]: ...
    @property
    def teachers(self) -> tuple[str, ...]: ...


def objective(teaching: Teaching | None, options: FitOptions, context: Context) -> tuple[Objective, dict[str, Any]]:
    """Choose the objective and give the facts about the teachers; alpha 0 is labels alone, and asks no teacher."""
    if teaching is None or teaching.alpha == 0 or options.epochs == 0:
        return labels(context.seed, options.label_smoothing), {}
    teachers = find_teachers(teaching.teachers, context)
    facts: dict[str, Any] = {"teachers": [teacher.name for teacher in teachers]}
    facts["teacher_validation_accuracy"] = validation_accuracy(teachers, context)
    if teaching.views == "fresh":
        return fresh(teaching, teachers, options, context), facts
    store = soft_labels(teachers, options.augment, min(teaching.views, options.epochs), context)
    chosen = distillation(teaching.temperature, teaching.alpha, options.label_smoothing, store.view, store.targets)
    return chosen, facts | {"store": store.facts(context.data)}


def fresh(teaching: Teaching, teachers: list[Teacher], options: FitOptions, context: Context) -> Objective:
    """A new view in each epoch, with the teachers run on it ahead of the student: slower, nothing stored."""
    predict = mean_logits(teachers)
    return distillation(
        teaching.temperature,
        teaching.alpha,
        options.label_smoothing,
        lambda epoch: (context.seed, epoch),
        lambda images, _, __: tuple(predict(images)),
    )


def validation_accuracy(teachers: list[Teacher], context: Context) -> float | None:
    """How often the teachers together are right on the validation split; None where it is empty."""
    data = context.data
    if not len(data.validation):
        return None
    return round(accuracy(mean_logits(teachers), data.validation, data.task), 6)
