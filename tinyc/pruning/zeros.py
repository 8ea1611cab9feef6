"""Zeros of earlier magnitude pruning: count them, and keep them through further training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc import backend


def sparsity(weight: NDArray[Any]) -> float:
    """Give the fraction of a weight's elements that are exactly zero."""
    return 1.0 - np.count_nonzero(weight) / weight.size


def keep_zeros(model: Any) -> list[Any]:
    """Make the Keras callback that sets zeros of kernels back to zero after each step; none where there are none.

    A kernel is any trainable weight of rank two and more. One that is zero throughout is an untrained start, not
    the work of pruning, and is left free.
    """
    tf, keras = backend.tensorflow(), backend.keras()
    sparse = [(weight, weight.numpy() != 0) for weight in model.trainable_weights if len(weight.shape) > 1]
    masks = [(weight, tf.constant(mask, weight.dtype)) for weight, mask in sparse if mask.any() and not mask.all()]

    @tf.function  # type: ignore[untyped-decorator]
    def restore() -> None:
        for weight, mask in masks:
            weight.assign(weight * mask)

    return [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs=None: restore())] if masks else []
