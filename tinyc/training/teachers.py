"""The networks that teach: the source, or saved networks, and what they say of a batch of the student's inputs.

The logits of several teachers are averaged. At every temperature that is the normalized geometric mean of their
softened distributions, one of the two means of Hinton et al. 2015, section 2; and one set of logits then serves
all temperatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import cache
from tinyc.core.errors import UserError
from tinyc.data.task import Task
from tinyc.network import sources
from tinyc.network.contract import Context
from tinyc.training.predict import Predict, predictor

SOURCE = "source"


@dataclass(frozen=True)
class Teacher:
    """One network with the key of its content."""

    name: str
    key: str
    model: Any


@dataclass(frozen=True)
class Panel:
    """All teachers of a student; `task` is the student's."""

    teachers: tuple[Teacher, ...]
    task: Task

    @cached_property
    def predict(self) -> Predict:
        """Compile the teachers, once; the function lists one array, their mean logits (examples, classes)."""
        predicts = [teacher_predictor(teacher.model, self.task) for teacher in self.teachers]

        def predict(images: NDArray[Any]) -> list[NDArray[np.float32]]:
            said = [each(images)[0] for each in predicts]
            return [np.mean(said, axis=0, dtype=np.float32)]

        return predict


def teacher_predictor(model: Any, task: Task) -> Predict:
    """Compile a teacher so that it takes the student's inputs: ids of a trimmed vocabulary are turned to its own.

    Every teacher is asked through this, so that it sees the very pieces that the student sees, in the same places.
    """
    predict, tokenizer = predictor(model), task.tokenizer
    if tokenizer is None:
        return predict
    return lambda ids: predict(tokenizer.to_source(ids))


def teachers_task(task: Task) -> Task:
    """Return the task as the teachers see it: the raw signal, before any front, under the source's own scale."""
    scale, offset = task.source_scaling or (task.scale, task.offset)
    return replace(task, front=None, scale=scale, offset=offset, source_scaling=None)


def find_panel(names: Sequence[str], context: Context) -> Panel:
    """Find the networks that `teachers` names.

    Raises:
        UserError: a file cannot be read, or its network is for another task.
    """
    return Panel(tuple(find_teacher(name, context) for name in names), context.data.task)


def find_teacher(name: str, context: Context) -> Teacher:
    if name == SOURCE:
        return Teacher(name, context.source_key, context.source.model)
    path = context.find(name)
    model = sources.read_network(path, f"teachers {name!r}")
    check_task(model, context.source.task, name)
    return Teacher(name, cache.content_key(path), model)


def check_task(model: Any, task: Task, name: str) -> None:
    """Refuse a teacher whose input or output does not fit the student's."""
    got = (tuple(model.input_shape[1:]), tuple(model.output_shape[1:]))
    wanted = (tuple(task.input_shape), (len(task.classes),))
    if got != wanted:
        raise UserError(
            f"teachers {name!r}",
            f"it maps {got[0]} to {got[1]}, and the task maps {wanted[0]} to {wanted[1]}",
            "give a network that was trained on the same data",
        )
