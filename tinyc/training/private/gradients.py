"""Gradients of single examples, each cut to a norm, and their sum (Abadi et al. 2016, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.tasks.classification.objectives import Objective

MOST = 64
"""Examples whose gradients are held at once, at most."""
MEMORY = 2**28
"""Bytes that the gradients of single examples may take."""

Sums = Callable[..., Any]


def clipped_sums(model: Any, variables: Sequence[Any], objective: Objective) -> Sums:
    """Compile (floats, labels, targets, mask, clip) to (sum of the clipped gradients, sum of the losses).

    Rows whose mask is 0 add nothing. The network runs as in inference, one example by itself, so that no example is in
    another's gradient. A gradient that is not finite adds nothing, which depends on its own example alone.
    """
    tf = backend.tensorflow()

    def gradients(row: tuple[Any, Any, tuple[Any, ...]]) -> tuple[Any, list[Any]]:
        floats, label, targets = row
        with tf.GradientTape() as tape:
            outputs = model(floats[None], training=False)
            loss = objective.loss(outputs, label[None], tuple(target[None] for target in targets))
        found = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return loss, [tf.convert_to_tensor(gradient) for gradient in found]

    def sums(floats: Any, labels: Any, targets: tuple[Any, ...], mask: Any, clip: Any) -> tuple[list[Any], Any]:
        losses, found = tf.vectorized_map(gradients, (floats, labels, targets))
        rows = [tf.reshape(gradient, [len(floats), -1]) for gradient in found]
        norms = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(row), axis=1) for row in rows]))
        used = (mask > 0) & tf.math.is_finite(norms)
        factors = tf.where(used, clip / tf.maximum(norms, clip), 0.0)
        kept = [tf.where(used[:, None], row, 0.0) for row in rows]
        total = [
            tf.reshape(tf.linalg.matvec(row, factors, transpose_a=True), variable.shape)
            for row, variable in zip(kept, variables, strict=True)
        ]
        return total, tf.reduce_sum(tf.where(mask > 0, losses, 0.0))

    compiled: Sums = tf.function(sums)
    return compiled


def physical_batch(variables: Sequence[Any], expected: float) -> int:
    """Choose how many examples go through at once: a little more than are expected, as far as memory allows.

    A step that draws more takes several such batches, and one that draws fewer pads; so one graph does for all.
    """
    size = 4 * sum(int(variable.shape.num_elements()) for variable in variables)
    roomy = int(expected + 2 * expected**0.5) + 1
    return max(1, min(MOST, roomy, MEMORY // max(1, size)))


def refuse_mixing(model: Any, batchnorm: str, where: str) -> None:
    """Refuse a network in which one example's gradient holds others.

    Raises:
        UserError: batch normalization by the batch's own statistics, or a regularizer of what layers put out.
    """
    normalization = backend.keras().layers.BatchNormalization
    found = [each.name for each in model.submodules if isinstance(each, normalization)]
    if found and batchnorm != "frozen":
        problem = f"layer {found[0]!r} normalizes by its batch, so that each example is in every other's gradient"
        raise UserError(
            where, problem, 'write `batchnorm = "frozen"`, or build the network without batch normalization'
        )
    active = [each.name for each in model.submodules if getattr(each, "activity_regularizer", None) is not None]
    if active:
        problem = f"layer {active[0]!r} has an activity regularizer, whose gradient is not clipped"
        raise UserError(where, problem, "remove it; regularizers of weights may stay")


def switched_off(model: Any) -> list[str]:
    """Name the layers that do something in training alone, which the gradients of single examples go without."""
    layers = backend.keras().layers
    kinds = (layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise, layers.GaussianDropout, layers.AlphaDropout)
    return [each.name for each in model.submodules if isinstance(each, kinds) and bool(getattr(each, "rate", True))]
