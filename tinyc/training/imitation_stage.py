"""What a transformer takes from its teacher before the soft labels: weights to start with, then its insides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.data.tokens import Tokenizer
from tinyc.network.contract import Context
from tinyc.spec.imitation import Attending, LayerMap, Part
from tinyc.spec.passes.distill import Imitated, Start
from tinyc.spec.training import FitOptions
from tinyc.training import imitation
from tinyc.training.anatomy import REMEDY, anatomy, map_layers
from tinyc.training.features import FeatureSource, feature_source
from tinyc.training.imitation import Goal
from tinyc.training.predict import BATCH, predictor
from tinyc.training.resume import resumable_fit
from tinyc.training.slicing import slice_source
from tinyc.training.teachers import Teacher


@dataclass(frozen=True)
class ImitationOptions:
    """What is imitated; `store_limit` in bytes."""

    parts: tuple[Part, ...]
    attending: Attending
    layer_map: LayerMap
    store_limit: int


def start_weights(student: Any, layer_map: LayerMap, context: Context) -> tuple[Any, Start]:
    """Fill a student's weights from the source's; give the basis (student's D, source's D) and the facts.

    Raises:
        UserError: the student or the source is no such transformer, or the student is the wider one.
    """
    ours, theirs = anatomy(student, "student"), anatomy(context.source.model, "source")
    mapped = map_layers(layer_map, ours, theirs)
    vectors, facts = slice_source(ours, theirs, mapped, tokenizer_of(context, "start"))
    return vectors.T, facts


def tokenizer_of(context: Context, where: str) -> Tokenizer:
    """Return the student's tokenizer; data without one has no padding to leave out and no pieces to look up."""
    if context.data.task.tokenizer is None:
        raise UserError(where, "the data is not text", REMEDY)
    return context.data.task.tokenizer


def train_imitation(
    wanted: ImitationOptions,
    student: Any,
    teacher: Teacher,
    basis: Any,
    options: FitOptions,
    context: Context,
    keys: list[Any],
) -> Imitated:
    """Train the student in place to have its teacher's insides, and give the facts; the projections are dropped.

    Args:
        basis: (student's D, teacher's D), where the projections begin; None begins at random.
        keys: what the training depends on beside its options.

    Raises:
        UserError: a network is no such transformer, or the layers cannot be mapped.
        MachineError: the cache cannot hold the features or the checkpoints.
    """
    tokenizer_of(context, "imitate")
    ours, theirs = anatomy(student, "student"), anatomy(teacher.model, f"teachers {teacher.name!r}")
    mapped = map_layers(wanted.layer_map, ours, theirs)
    goals = imitation.goals(wanted.parts, wanted.attending, ours, theirs, mapped, basis)
    lower = imitation.tensors_of(student, [goal.student for goal in goals])
    facts: Imitated = {"parts": list(wanted.parts), "layers": list(mapped)}
    if context.rehearse is not None:
        return facts
    teacher_features, origin = feature_source(teacher, [goal.teacher for goal in goals], wanted.store_limit, context)
    before = mean_distances(goals, student, teacher_features, context)
    objective = imitation.objective(goals, context.seed, teacher_features)
    trained = resumable_fit(lower, options, objective, context, "imitate", details=[*keys, teacher.key])
    after = mean_distances(goals, student, teacher_features, context)
    distances = {goal.student.name: [before[index], after[index]] for index, goal in enumerate(goals)}
    return {
        **facts, "features": origin, "epochs": trained["epochs"], "loss": trained["loss"], "distances": distances,
    }  # fmt: skip


def mean_distances(
    goals: Sequence[Goal], student: Any, teacher_features: FeatureSource, context: Context
) -> list[float]:
    """Return how far student and teacher are apart in each goal, over the first training sentences."""
    rows = np.arange(min(BATCH, len(context.data.train)))
    ids = inputs(context.data.train.x[rows], context.data.task)
    mine = predictor(imitation.reader(student, [goal.student for goal in goals]))(ids)
    real = (ids != 0).astype("float32")
    pairs = zip(goals, mine, teacher_features(ids, rows), strict=True)
    return [round(float(imitation.DISTANCES[goal.kind](a, b, real)), 6) for goal, a, b in pairs]
