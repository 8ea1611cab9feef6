"""Learning rates by step, and the optimizer that they drive."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.network import backend
from tinyc.spec.training import FitOptions


def learning_rates(options: FitOptions, steps: int) -> NDArray[np.float32]:
    """List the learning rate of each of `steps` steps: a linear warm-up, then the schedule.

    `cosine` is Loshchilov & Hutter 2017 without restarts; `step` divides by ten at 50 % and at 75 % of the
    steps (He et al. 2015, section 4.2).
    """
    warm = round(options.warmup * steps)
    climb = (np.arange(warm) + 1) / (warm + 1)
    done = np.arange(steps - warm) / max(1, steps - warm)
    shapes = {
        "constant": np.ones_like(done),
        "cosine": (1 + np.cos(np.pi * done)) / 2,
        "step": np.where(done < 0.5, 1.0, np.where(done < 0.75, 0.1, 0.01)),
    }
    factors = np.concatenate([climb, shapes[options.schedule]])
    rates: NDArray[np.float32] = (options.learning_rate * factors).astype(np.float32)
    return rates


def build_optimizer(options: FitOptions, model: Any) -> Any:
    """Make the optimizer with its slots for all trainable variables; the fit loop sets its rate at each step."""
    optimizers = backend.keras().optimizers
    rate = options.learning_rate
    if options.optimizer == "sgd":
        optimizer = optimizers.SGD(rate, momentum=0.9, nesterov=True)
    elif options.optimizer == "adamw":
        optimizer = optimizers.AdamW(rate, weight_decay=options.weight_decay)
        kept = [variable for variable in model.trainable_variables if not is_kernel(variable)]
        optimizer.exclude_from_weight_decay(var_list=kept)
    else:
        optimizer = optimizers.Adam(rate)
    optimizer.build(model.trainable_variables)
    return optimizer


def is_kernel(variable: Any) -> bool:
    """Say whether weight decay applies: to matrices and filters, not to biases, scales and shifts."""
    return len(variable.shape) > 1
