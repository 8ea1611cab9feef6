"""Zeros and tables that survive training: read from the weights, restored after every step.

A kernel counts as few-valued where tables of its values would take less than its int8 numbers, by index bits and
values without headers; one table in all or one for each channel, whichever takes less. Freshly drawn numbers all
differ, and so do those that pruning leaves between its zeros: neither is taken for a table. A kernel of one value is an
untrained start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.clustering.kernels import kind
from tinyc.compression.clustering.tables import Axis, as_weight, channels, distinct, pays, table_bytes
from tinyc.core.errors import UserError
from tinyc.network import backend

SHARED = 0.9
"""Values for each number that is not zero, at most: where hardly any two are equal, all there is are zeros."""


@dataclass(frozen=True)
class Table:
    """A few-valued kernel.

    Attributes:
        values: the most that one table holds.
        bytes: what its tables would take without headers.
        members: (elements,), which numbers share a value, from 0 to `count`.
    """

    layer: str
    values: int
    bytes: int
    members: NDArray[np.int64]
    count: int


def keep_structure(model: Any) -> list[Any]:
    """Make the Keras callback that keeps zeros and tables after each step; none where there are neither.

    All numbers of a cluster are set to their mean, so that the training moves the table's values by the average step of
    their members (Han et al. 2016, section 3, by the optimizer's steps in place of gradients). Zeros stay zero. Works
    on networks in TFMOT's wrappers and in tinyc's.

    Raises:
        UserError: a layer with a table is about to be pruned by magnitude, which would take members out of clusters.
    """
    refuse_pruning(model)
    found = [(variable, table_of(layer, variable)) for layer, variable in matrices(model)]
    tables = [(variable, table.members, table.count) for variable, table in found if table]
    free = [(variable, variable.numpy() != 0) for variable, table in found if not table]
    masks = [(variable, mask) for variable, mask in free if mask.any() and not mask.all()]
    if not tables and not masks:
        return []
    restore = restorer(tables, masks)
    return [backend.keras().callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs=None: restore())]


def refuse_pruning(model: Any) -> None:
    """Refuse TFMOT's pruning wrapper around a table: all numbers of a cluster are equally small, so none goes first."""
    pruned = {layer.layer.name for layer in model.layers if type(layer).__name__ == "PruneLowMagnitude"}
    lost = [name for name in tables(model) if name in pruned]
    if lost:
        problem = f"layer {lost[0]!r} has a weight table of an earlier `cluster`, which single zeros would break"
        raise UserError("prune", problem, "prune by magnitude first: `cluster` keeps the zeros")


def restorer(tables: list[tuple[Any, NDArray[np.int64], int]], masks: list[tuple[Any, NDArray[np.bool_]]]) -> Any:
    """Compile the step that sets each cluster to its mean, and zeros to zero."""
    tf = backend.tensorflow()
    constants = [(variable, Segments.of(variable, members, count)) for variable, members, count in tables]
    factors = [(variable, tf.constant(mask, variable.dtype)) for variable, mask in masks]

    @tf.function  # type: ignore[untyped-decorator]
    def restore() -> None:
        for variable, segments in constants:
            # Sums in double precision: the mean of equal numbers must be that number, or the weights would drift.
            ordered = tf.gather(tf.cast(tf.reshape(variable, [-1]), tf.float64), segments.order)
            means = tf.math.segment_sum(ordered, segments.sorted) * segments.shares
            variable.assign(tf.reshape(tf.gather(tf.cast(means, variable.dtype), segments.members), variable.shape))
        for variable, factor in factors:
            variable.assign(variable * factor)

    return restore


@dataclass(frozen=True)
class Segments:
    """The clusters of one variable, as constants.

    `order` lists its elements cluster by cluster, `sorted` their clusters, `shares` is 1 / size of each cluster and 0
    for zeros, `members` the cluster of each element.
    """

    order: Any
    sorted: Any
    shares: Any
    members: Any

    @classmethod
    def of(cls, variable: Any, members: NDArray[np.int64], count: int) -> Segments:
        tf = backend.tensorflow()
        order = np.argsort(members, kind="stable")
        nonzero = np.zeros(count)
        nonzero[members] = variable.numpy().ravel() != 0
        shares = nonzero / np.bincount(members, minlength=count)
        parts = (order.astype(np.int32), members[order].astype(np.int32), shares, members.astype(np.int32))
        return cls(*(tf.constant(part) for part in parts))


def tables(model: Any) -> dict[str, int]:
    """Give the most values of a table, and so of a channel, in each few-valued kernel of a network, by layer."""
    found = [table for layer, variable in matrices(model) if (table := table_of(layer, variable))]
    return {table.layer: max(each.values for each in found if each.layer == table.layer) for table in found}


def matrices(model: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each trainable weight of rank two and more with its layer, the one inside where the layer is a wrapper."""
    seen: set[int] = set()
    for layer in model.layers:
        for variable in layer.trainable_weights:
            if len(variable.shape) > 1 and id(variable) not in seen:
                seen.add(id(variable))
                yield getattr(layer, "layer", layer), variable


def table_of(layer: Any, variable: Any) -> Table | None:
    """Tell whether a weight is few-valued; wrappers replace the layer's attribute, so the variable's name says which.

    None where it is not, or where no converter could make a table of it.
    """
    axis = kind(layer).get(variable.name.rpartition("/")[2].partition(":")[0])
    weight = variable.numpy()
    if axis is None or (weight == weight.flat[0]).all():
        return None
    each, whole = few_valued(layer.name, weight, axis), few_valued(layer.name, weight, ())
    if each and whole:
        return min(whole, each, key=lambda table: table.bytes)
    return each or whole


def few_valued(layer: str, weight: NDArray[Any], axis: Axis) -> Table | None:
    """Assign each number its cluster where tables along `axis` would take less than int8 numbers."""
    rows = channels(weight, axis)
    most = int(distinct(weight, axis).max())
    if not pays(rows.size, len(rows), most, header=0):
        return None
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    new = np.ones(rows.shape, np.int64)
    new[:, 1:] = np.diff(ordered, axis=1) != 0
    if np.count_nonzero(new * (ordered != 0)) > SHARED * np.count_nonzero(rows):
        return None
    members = np.empty(rows.shape, np.int64)
    np.put_along_axis(members, order, new.cumsum().reshape(rows.shape) - 1, axis=1)
    size = table_bytes(rows.size, len(rows), most, header=0)
    return Table(layer, most, size, as_weight(members, weight.shape, axis).ravel(), int(new.sum()))
