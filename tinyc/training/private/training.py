"""Example-level differential privacy for a network and arrays: DP-SGD (Abadi et al. 2016), one call a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from tinyc.spec.training import FitOptions
from tinyc.tasks.classification.objectives import Objective, labels
from tinyc.training.private.gradients import refuse_mixing
from tinyc.training.private.steps import Examples, Mechanism, PrivateTraining, begin, facts, run_step

KEPT: dict[Any, PrivateTraining] = {}
"""The last training, compiled; a client trains the same network in round after round."""


def fit_private(
    model: Any,
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    clip: float,
    noise: float,
    rate: float,
    steps: int,
    seed: int,
    optimizer: str = "sgd",
    learning_rate: float = 0.1,
    weight_decay: float = 0.0,
    label_smoothing: float = 0.0,
    objective: Objective | None = None,
    variables: Sequence[Any] | None = None,
    callbacks: Sequence[Any] = (),
    batchnorm: str = "frozen",
) -> dict[str, Any]:
    """Train `model` in place by DP-SGD at one learning rate, from an optimizer without memory.

    The network runs as in inference throughout: batch normalization and the ranges of quantizers stay as they came.
    A second call for the same network, variables and options compiles nothing.

    Args:
        x: examples as the network sees them, (examples, *input_shape); y: labels, (examples,).
        clip: L2 norm that the gradient of one example is cut to.
        noise: deviation of the noise on the sum of a step, in units of `clip`.
        rate: probability with which a step draws an example.
        objective: the loss, for batches of one example without further targets; cross-entropy if absent.
        variables: what is trained, all trainable variables if absent.
        callbacks: Keras callbacks, of which `on_train_batch_end` is called after each step.
        batchnorm: "train" refuses a network with batch normalization in place of training it as in inference.

    Returns:
        Facts: steps, expected and physical batch, clip, noise, examples drawn, loss by epoch, layers switched off.

    Raises:
        UserError: the network mixes examples, there are none, or the loss is not a number.
    """
    refuse_mixing(model, batchnorm, "privacy")
    options = FitOptions.model_validate(
        {"optimizer": optimizer, "learning_rate": learning_rate, "weight_decay": weight_decay}
    )
    examples = Examples(len(y), lambda rows, _: (x[rows], y[rows].astype("int32"), ()))
    mechanism = Mechanism(clip, noise, rate)
    trained = list(model.trainable_variables if variables is None else variables)
    key = (id(model), objective or label_smoothing, optimizer, weight_decay, *map(id, trained))
    if key not in KEPT:
        KEPT.clear()
        loss = objective or labels(seed, label_smoothing)
        KEPT[key] = begin(model, mechanism, examples, options, loss, seed, variables=trained)
    training = again(KEPT[key], mechanism, examples, seed)
    return facts(training, [run_step(training, step, learning_rate, callbacks) for step in range(steps)])


def again(training: PrivateTraining, mechanism: Mechanism, examples: Examples, seed: int) -> PrivateTraining:
    """Use a compiled training for other examples, with nothing left of the one before."""
    for variable in training.optimizer.variables:
        variable.assign(variable * 0)
    return replace(training, mechanism=mechanism, examples=examples, seed=seed)
