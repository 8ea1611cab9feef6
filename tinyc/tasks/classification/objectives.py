"""What a training minimizes: cross-entropy with labels, a teacher's soft labels, a teacher's features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.network import backend

Targets = Callable[[NDArray[np.float32], NDArray[np.int64], int], tuple[NDArray[Any], ...]]


@dataclass(frozen=True)
class Objective:
    """A loss, and the views of the images that it is computed on.

    Attributes:
        name: one word for the facts and the checkpoints.
        view: the (seed, view id) of the augmentation in an epoch.
        targets: from (images as floats, their rows in the training split, epoch) to further arrays, one row an
            example (a teacher's logits, say), which `loss` gets as a tuple; runs ahead of the step in a thread.
        loss: from (outputs, labels, targets) to a scalar.
        classifies: the outputs are logits, so that validation accuracy can be told.
    """

    name: str
    view: Callable[[int], tuple[int, int]]
    loss: Callable[[Any, Any, tuple[Any, ...]], Any]
    targets: Targets | None = None
    classifies: bool = True


def labels(seed: int, smoothing: float = 0.0) -> Objective:
    """Cross-entropy of the logits with the labels, each epoch on a view of its own."""

    def loss(logits: Any, truth: Any, _: tuple[Any, ...]) -> Any:
        return cross_entropy(logits, truth, smoothing)

    return Objective("labels", lambda epoch: (seed, epoch), loss)


def distillation(
    temperature: float, alpha: float, smoothing: float, view: Callable[[int], tuple[int, int]], targets: Targets
) -> Objective:
    """Hinton et al. 2015: alpha T^2 KL(teacher_T || student_T) + (1 - alpha) cross-entropy with the labels.

    `targets` gives one array, the teacher's logits (batch, classes).
    """

    def loss(logits: Any, truth: Any, soft: tuple[Any, ...]) -> Any:
        imitation = divergence(soft[0], logits, temperature)
        return alpha * temperature**2 * imitation + (1 - alpha) * cross_entropy(logits, truth, smoothing)

    return Objective("distillation", view, loss, targets)


def imitation(weights: tuple[float, ...], view: Callable[[int], tuple[int, int]], targets: Targets) -> Objective:
    """FitNets (Romero et al. 2015, equation 3): weighted mean squared distance to the teacher's features.

    The network's outputs and the arrays of `targets` are the projected and the teacher's features, pair by pair.
    """

    def loss(outputs: Any, _: Any, features: tuple[Any, ...]) -> Any:
        tf = backend.tensorflow()
        mine = outputs if isinstance(outputs, list | tuple) else [outputs]
        distances = [tf.reduce_mean(tf.square(a - b)) for a, b in zip(mine, features, strict=True)]
        return tf.add_n([weight * distance for weight, distance in zip(weights, distances, strict=True)])

    return Objective("hints", view, loss, targets, classifies=False)


def cross_entropy(logits: Any, truth: Any, smoothing: float) -> Any:
    """Mean cross-entropy over the batch; smoothing as in Szegedy et al. 2016, section 7."""
    tf = backend.tensorflow()
    classes = logits.shape[-1]
    soft = tf.one_hot(truth, classes, 1.0 - smoothing + smoothing / classes, smoothing / classes)
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(soft, tf.cast(logits, tf.float32)))


def divergence(teacher: Any, student: Any, temperature: float) -> Any:
    """Mean Kullback-Leibler divergence of the student's softened distribution from the teacher's, in nats."""
    tf = backend.tensorflow()
    log_p = tf.nn.log_softmax(tf.cast(teacher, tf.float32) / temperature)
    log_q = tf.nn.log_softmax(tf.cast(student, tf.float32) / temperature)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=-1))
