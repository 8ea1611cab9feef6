"""Hint layers (FitNets, Romero et al. 2015): layers of the student learn to resemble layers of the teacher.

A stage before the distillation, as in the paper: the student up to its hint layers, with a learned linear projection on
each, is trained to give the teacher's features. The teacher runs in the loop, so an epoch costs about as much as
labelling one view; its features are too large to be stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinyc.core.errors import UserError
from tinyc.network import backend, selectors
from tinyc.network.contract import Context
from tinyc.spec.imitation import Hint
from tinyc.spec.training import FitOptions, Trained
from tinyc.tasks.classification.objectives import imitation
from tinyc.training.fit import fit
from tinyc.training.teachers import teacher_predictor


@dataclass(frozen=True)
class Pair:
    """Two layers that are to agree: features (batch, ..., channels) of one rank."""

    student: Any
    teacher: Any
    weight: float


def pair_layers(hints: Sequence[Hint], student: Any, teacher: Any) -> list[Pair]:
    """Find the layers of each hint.

    Raises:
        UserError: a selector does not name exactly one layer, or the features cannot be compared.
    """
    return [pair(hint, student, teacher, f"hints[{index}]") for index, hint in enumerate(hints)]


def pair(hint: Hint, student: Any, teacher: Any, where: str) -> Pair:
    ours = single(student, hint.student, f"{where}.student")
    theirs = single(teacher, hint.teacher, f"{where}.teacher")
    mine, other = ours.output.shape, theirs.output.shape
    fits = len(mine) == len(other) and (len(mine) in (2, 4) or mine[1:-1] == other[1:-1])
    if not fits:
        raise UserError(
            where,
            f"{ours.name} gives {tuple(mine)[1:]} and {theirs.name} gives {tuple(other)[1:]}",
            "pair two feature maps, or two vectors",
        )
    return Pair(ours, theirs, hint.weight)


def single(model: Any, selector: str, where: str) -> Any:
    """Return the one layer, with one output, that a selector names."""
    found = selectors.select(model, [selector], where)
    if len(found) != 1:
        names = ", ".join(layer.name for layer in found[:6])
        raise UserError(where, f"{selector!r} matches {len(found)} layers: {names}", "name one layer")
    if len(found[0].inbound_nodes) != 1 or isinstance(found[0].output, list | tuple):
        raise UserError(where, f"{found[0].name} has several outputs", "name a layer that is used once")
    return found[0]


def train_hints(pairs: Sequence[Pair], student: Any, teacher: Any, options: FitOptions, context: Context) -> Trained:
    """Train the student's lower layers in place, and give the facts; the projections are dropped."""
    models = backend.keras().Model
    projected = [project(pair, index) for index, pair in enumerate(pairs)]
    lower = models(student.input, projected, name="hint_layers")
    features = teacher_predictor(models(teacher.input, [resized(pair) for pair in pairs]), context.data.task)
    goal = imitation(
        tuple(pair.weight for pair in pairs),
        lambda epoch: (context.seed, epoch),
        lambda images, _, __: tuple(features(images)),
    )
    return fit(lower, options, goal, context, "hint layers")


def project(pair: Pair, index: int) -> Any:
    """Bring the student's features to the teacher's number of channels: dense over the last axis, a 1x1 convolution."""
    channels = pair.teacher.output.shape[-1]
    return backend.keras().layers.Dense(channels, name=f"hint_{index}_projection")(pair.student.output)


def resized(pair: Pair) -> Any:
    """Bring the teacher's features to the student's height and width: averaged over areas, as pooling does."""
    output, size = pair.teacher.output, pair.student.output.shape[1:-1]
    if len(output.shape) != 4 or output.shape[1:-1] == size:
        return output
    tf = backend.tensorflow()
    return backend.keras().layers.Lambda(lambda maps: tf.image.resize(maps, size, method="area"))(output)
