"""Few-valued weights that train with numbers of their own underneath, so that a number may change its cluster.

Every number of a clustered weight has a latent one, which the optimizer's step for it moves; the network computes with
the value that is nearest. Values are the means of their members' latent numbers: one iteration of Lloyd's a step. The
gradient passes straight through the choice of the value (Bengio et al. 2013), as in deep k-means (Wu et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.clustering.kernels import Kernel
from tinyc.compression.clustering.kmeans import Per
from tinyc.compression.clustering.tables import Axis, channels
from tinyc.network import backend


def follow(model: Any, before: Mapping[Kernel, NDArray[Any]], per: Per) -> Any:
    """Make the Keras callback that gives each number of a clustered weight the nearest value after each step.

    Zeros of `before`, the weights before they were clustered, stay zero; no channel gets more values than it has.
    `checkpointed` of the callback are the variables that a training's next epoch depends on, beside the network's.
    """
    tf = backend.tensorflow()
    tables = [
        Table.of(model, kernel, weight, kernel.axis if per == "channel" else ()) for kernel, weight in before.items()
    ]

    @tf.function  # type: ignore[untyped-decorator]
    def step() -> None:
        for table in tables:
            table.step()

    def begin(logs: Any = None) -> None:
        # Only now has a checkpoint been read.
        for table in tables:
            table.shown.assign(table.weight)

    return backend.keras().callbacks.LambdaCallback(
        on_train_begin=begin,
        on_train_batch_end=lambda batch, logs=None: step(),
        checkpointed=[variable for table in tables for variable in (table.latent, table.values)],
    )


@dataclass(frozen=True)
class Table:
    """One clustered weight.

    Attributes:
        weight, shown: the network's variable, and what was put there after the last step.
        latent: (channels, elements of one).
        values: (channels, values), each row rising; infinity where a channel has fewer.
        free: (channels, elements of one), False where a number stays zero.
        front: the axes of the channels, then the others.
    """

    weight: Any
    shown: Any
    latent: Any
    values: Any
    free: Any
    front: tuple[int, ...]

    @classmethod
    def of(cls, model: Any, kernel: Kernel, before: NDArray[Any], axis: Axis) -> Table:
        tf = backend.tensorflow()
        weight = getattr(model.get_layer(kernel.layer), kernel.weight)
        axes = [each % before.ndim for each in (axis if isinstance(axis, tuple) else (axis,))]
        front = (*axes, *(place for place in range(before.ndim) if place not in axes))
        latent, shared = channels(before, axis), channels(weight.numpy(), axis)
        found = [np.unique(row[free]) for row, free in zip(shared, latent != 0, strict=True)]
        values = np.full((len(found), max(2, *map(len, found), 0)), np.inf, before.dtype)
        for row, own in zip(values, found, strict=True):
            row[: len(own)] = own
        shown, own, means = (tf.Variable(each, trainable=False) for each in (weight, latent, values))
        return cls(weight, shown, own, means, tf.constant(latent != 0), front)

    def step(self) -> None:
        """Move the latent numbers as the optimizer moved the weight, then values to means and numbers to values."""
        tf = backend.tensorflow()
        rows, width = self.values.shape
        moved = tf.transpose(self.weight - self.shown, self.front)
        latent = self.latent.assign_add(tf.reshape(moved, self.latent.shape))
        nearest = tf.searchsorted((self.values[:, 1:] + self.values[:, :-1]) / 2, latent)
        place = nearest + width * tf.range(rows)[:, None]
        free = tf.cast(self.free, tf.float64)
        sums = tf.math.unsorted_segment_sum(tf.cast(latent, tf.float64) * free, place, rows * width)
        counts = tf.math.unsorted_segment_sum(free, place, rows * width)
        means = tf.reshape(tf.cast(tf.math.divide_no_nan(sums, counts), latent.dtype), (rows, width))
        values = self.values.assign(tf.where(tf.reshape(counts > 0, (rows, width)), means, self.values))
        chosen = tf.where(self.free, tf.gather(values, nearest, batch_dims=1), tf.zeros((), latent.dtype))
        shape = [self.weight.shape[axis] for axis in self.front]
        self.weight.assign(tf.transpose(tf.reshape(chosen, shape), np.argsort(self.front)))
        self.shown.assign(self.weight)
