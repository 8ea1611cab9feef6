"""One compiled training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinyc.network import backend
from tinyc.tasks.classification.objectives import Objective
from tinyc.training.schedule import is_kernel

Step = Callable[..., Any]


def compile_step(model: Any, optimizer: Any, objective: Objective, penalty: float) -> Step:
    """Make one training step: (learning rate, floats, labels, targets) to the loss.

    `penalty` is the L2 weight of kernels, added to their gradients; the network's own regularization losses count too.
    """
    tf = backend.tensorflow()
    variables = model.trainable_variables

    def step(rate: Any, images: Any, labels: Any, targets: Any) -> Any:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            loss = objective.loss(model(images, training=True), labels, targets)
            loss = tf.add_n([loss, *model.losses])
        gradients = tape.gradient(loss, variables)
        pairs = [
            (gradient + penalty * variable if penalty and is_kernel(variable) else gradient, variable)
            for gradient, variable in zip(gradients, variables, strict=True)
            if gradient is not None
        ]
        optimizer.apply_gradients(pairs)
        return loss

    compiled: Step = tf.function(step)
    return compiled
