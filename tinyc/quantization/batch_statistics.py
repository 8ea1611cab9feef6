"""Means and variances of batch normalization, measured again: pruning or training leaves the old ones behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.network import backend

EXAMPLES, BATCH = 4096, 256
DROPPED = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout")


def reestimate(model: Any, data: TrainingData, task: Task, seed: int) -> tuple[Any, int]:
    """Copy a network with the moving statistics of its batch normalization taken anew over training examples.

    Each is the mean over batches of what the batch has, with the statistics of the layers before taken from the same
    batch (as in training, without dropout and without augmentation). Weights stay as they are.

    Returns:
        The copy, and how many examples it saw; the network itself and 0 where it has no batch normalization.
    """
    keras = backend.keras()
    norms = [layer.name for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return model, 0
    measured, made = undropped(model), keras.models.clone_model(model)
    seen = 0
    for count, batch in enumerate(batches(data, task, seed)):
        for name in norms:
            # The running mean of all batches so far.
            measured.get_layer(name).momentum = count / (count + 1)
        measured(batch, training=True)
        seen += len(batch)
    made.set_weights(model.get_weights())
    for name in norms:
        made.get_layer(name).set_weights(measured.get_layer(name).get_weights())
    return made, seen


def undropped(model: Any) -> Any:
    """Copy a network without its dropout; all normalization of the copy follows its batches."""
    keras = backend.keras()

    def copied(layer: Any) -> Any:
        if type(layer).__name__ in DROPPED:
            return keras.layers.Activation("linear", name=layer.name)
        made = type(layer).from_config(layer.get_config())
        made.trainable = True
        return made

    copy = keras.models.clone_model(model, clone_function=copied)
    for layer in model.layers:
        if type(layer).__name__ not in DROPPED:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def batches(data: TrainingData, task: Task, seed: int) -> Iterator[NDArray[Any]]:
    """Draw whole batches of training examples as the network sees them; one batch of all where there are few."""
    order = np.random.default_rng(seed).permutation(len(data.train))[:EXAMPLES]
    size = min(BATCH, len(order))
    for start in range(0, len(order) - size + 1, size):
        yield inputs(data.train.x[np.sort(order[start : start + size])], task)
