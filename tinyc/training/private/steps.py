"""The steps of a training with example-level differential privacy: DP-SGD (Abadi et al. 2016, algorithm 1).

A step draws each example by itself with probability `rate`, cuts each gradient to the norm `clip`, adds Gaussian noise
of deviation noise x clip to their sum once, divides by the number that is expected (never by the number drawn), and
hands that to the optimizer. What callbacks do afterwards (zeros, tables) is post-processing, which costs no privacy.

The draws and the noise come from numpy's PCG64 by (seed, step), so that the same seed gives the same bytes; whoever
knows the seed can take the noise off again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.spec.training import FitOptions
from tinyc.tasks.classification.objectives import Objective
from tinyc.training.private.gradients import Sums, clipped_sums, physical_batch, switched_off
from tinyc.training.schedule import build_optimizer, is_kernel

DRAW, NOISE = 1, 2  # streams: the draws and the noise share no random numbers

Rows = Callable[["NDArray[np.int64]", int], tuple[Any, Any, tuple[Any, ...]]]
"""From rows of the training examples and a step to (floats, labels, targets) of these rows."""


@dataclass(frozen=True)
class Mechanism:
    """How an example's influence is bounded and hidden.

    Attributes:
        clip: L2 norm that the gradient of one example is cut to.
        noise: deviation of the noise on the sum, in units of `clip`.
        rate: probability with which a step draws an example.
    """

    clip: float
    noise: float
    rate: float


@dataclass(frozen=True)
class Examples:
    """What is trained on: how many there are, and how to get some of them."""

    count: int
    rows: Rows


@dataclass(frozen=True)
class PrivateTraining:
    """A private training that is ready to take steps; `run_step` takes them."""

    model: Any
    variables: Sequence[Any]
    optimizer: Any
    mechanism: Mechanism
    examples: Examples
    sums: Sums = field(repr=False)
    update: Callable[..., Any] = field(repr=False)
    physical: int
    seed: int

    @property
    def expected(self) -> float:
        """Examples that a step draws on average; the sums are divided by it."""
        return self.mechanism.rate * self.examples.count


@dataclass(frozen=True)
class Trainables:
    """The variables that an optimizer moves, in the place of the network that has more."""

    trainable_variables: Sequence[Any]


def steps_of(rate: float) -> int:
    """Count the steps of an epoch: as many as draw each example once on average."""
    return max(1, round(1 / rate))


def begin(
    model: Any,
    mechanism: Mechanism,
    examples: Examples,
    options: FitOptions,
    objective: Objective,
    seed: int,
    *,
    variables: Sequence[Any] | None = None,
) -> PrivateTraining:
    """Set up the compiled gradients and the optimizer, for a network that `refuse_mixing` let pass.

    Raises:
        UserError: there are no examples.
    """
    if not examples.count:
        raise UserError("privacy", "there are no training examples", "give the data more examples")
    trained = list(model.trainable_variables if variables is None else variables)
    optimizer = build_optimizer(options, Trainables(trained))
    penalty = options.weight_decay if options.optimizer != "adamw" else 0.0
    return PrivateTraining(
        model, trained, optimizer, mechanism, examples,
        clipped_sums(model, trained, objective), updater(model, trained, optimizer, penalty),
        physical_batch(trained, mechanism.rate * examples.count), seed,
    )  # fmt: skip


def updater(model: Any, variables: Sequence[Any], optimizer: Any, penalty: float) -> Callable[..., Any]:
    """Compile the optimizer's step on noisy gradients.

    Weight decay and the network's own regularizers know of no example, so that they are added behind the noise.
    """
    tf = backend.tensorflow()

    def update(rate: Any, gradients: list[Any]) -> None:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            losses = model.losses
            loss = tf.add_n(losses) if losses else None
        if loss is not None:
            own = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            gradients = [first + second for first, second in zip(gradients, own, strict=True)]
        if penalty:
            pairs = zip(gradients, variables, strict=True)
            gradients = [g + penalty * v if is_kernel(v) else g for g, v in pairs]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    compiled: Callable[..., Any] = tf.function(update)
    return compiled


def run_step(training: PrivateTraining, step: int, rate: float, callbacks: Sequence[Any] = ()) -> tuple[int, float]:
    """Take one step; gives how many examples it drew, and the sum of their losses.

    A step that draws none adds its noise all the same.

    Raises:
        UserError: the loss is not a number.
    """
    rows = drawn(training, step)
    sums, loss = clipped(training, rows, step)
    if not math.isfinite(loss):
        problem = f"the loss is {loss} at a learning rate of {rate:.3g}"
        raise UserError(f"private training, step {step + 1}", problem, "lower `learning_rate`, or check the data")
    noisy = [
        ((total + noise) / training.expected).astype(np.float32)
        for total, noise in zip(sums, noises(training, step), strict=True)
    ]
    training.update(np.float32(rate), noisy)
    for callback in callbacks:
        callback.on_train_batch_end(step)
    return len(rows), loss


def drawn(training: PrivateTraining, step: int) -> NDArray[np.int64]:
    """Draw the rows of a step, each by itself (Poisson sampling)."""
    random = np.random.default_rng([training.seed, DRAW, step]).random(training.examples.count)
    rows: NDArray[np.int64] = np.flatnonzero(random < training.mechanism.rate)
    return rows


def clipped(training: PrivateTraining, rows: NDArray[np.int64], step: int) -> tuple[list[NDArray[np.float64]], float]:
    """Sum the clipped gradients of all rows, a physical batch at a time; none is left out."""
    sums, loss = [np.zeros(tuple(variable.shape)) for variable in training.variables], 0.0
    clip = np.float32(training.mechanism.clip)
    for start in range(0, len(rows), training.physical):
        part = rows[start : start + training.physical]
        # A padded row is the first one again, and its mask takes it out.
        filled = np.concatenate([part, np.repeat(part[:1], training.physical - len(part))])
        mask = (np.arange(training.physical) < len(part)).astype(np.float32)
        more, lost = training.sums(*training.examples.rows(filled, step), mask, clip)
        sums = [total + np.asarray(each, np.float64) for total, each in zip(sums, more, strict=True)]
        loss += float(lost)
    return sums, loss


def noises(training: PrivateTraining, step: int) -> list[NDArray[np.float64]]:
    """Draw the noise of a step for each variable."""
    random = np.random.default_rng([training.seed, NOISE, step])
    deviation = training.mechanism.noise * training.mechanism.clip
    return [random.normal(0.0, deviation, tuple(variable.shape)) for variable in training.variables]


def facts(training: PrivateTraining, taken: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """Return what was done; the mean loss of each epoch is over what its steps drew, and is not private."""
    per_epoch = steps_of(training.mechanism.rate)
    epochs = [taken[start : start + per_epoch] for start in range(0, len(taken), per_epoch)]
    return {
        "steps": len(taken),
        "sampling_probability": training.mechanism.rate,
        "expected_batch": round(training.expected, 6),
        "physical_batch": training.physical,
        "clip": training.mechanism.clip,
        "noise": training.mechanism.noise,
        "examples": sum(count for count, _ in taken),
        "loss": [round(mean_loss(epoch), 6) for epoch in epochs],
        "switched_off": switched_off(training.model),
    }


def mean_loss(taken: Sequence[tuple[int, float]]) -> float:
    return sum(loss for _, loss in taken) / max(1, sum(count for count, _ in taken))
