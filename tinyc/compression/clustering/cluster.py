"""Give the weights of a network few values: which weights, how many values, and what the tables would weigh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.clustering.kernels import Kernel
from tinyc.compression.clustering.kmeans import Per, Start, share
from tinyc.compression.clustering.tables import channels, distinct, pays, table_bytes
from tinyc.core.errors import TinycError
from tinyc.network.contract import Skipped
from tinyc.spec.passes.cluster import Row


@dataclass(frozen=True)
class Means:
    """How values are chosen: for each channel or the whole layer, and from which start; zeros are kept."""

    per: Per
    start: Start
    seed: int

    def shared(self, kernel: Kernel, weight: NDArray[Any], clusters: int) -> NDArray[Any]:
        """Give a weight at most so many values."""
        return share(
            weight, clusters, per=self.per, axis=kernel.axis, start=self.start, seed=self.seed, keep_zeros=True
        )


@dataclass(frozen=True)
class Size:
    """What a weight holds: its int8 numbers, and the tables that it would have."""

    elements: int
    tables: int

    @classmethod
    def of(cls, kernel: Kernel, weight: NDArray[Any]) -> Size:
        return cls(weight.size, len(channels(weight, kernel.axis)))

    def bytes(self, clusters: int) -> int:
        return table_bytes(self.elements, self.tables, self.width(clusters))

    def pays(self, clusters: int) -> bool:
        return pays(self.elements, self.tables, self.width(clusters))

    def width(self, clusters: int) -> int:
        """Values of one table: no more than a channel has numbers."""
        return min(clusters, self.elements // self.tables)


def give_values(model: Any, wanted: Mapping[Kernel, int], means: Means) -> list[Row]:
    """Give each weight its number of values, in place; tell what was done."""
    return [give_values_to(model, kernel, clusters, means) for kernel, clusters in wanted.items()]


def give_values_to(model: Any, kernel: Kernel, clusters: int, means: Means) -> Row:
    weight = kernel.read(model)
    shared = means.shared(kernel, weight, clusters)
    model.get_layer(kernel.layer).set_weights(kernel.weights(model, shared))
    after = most(shared, kernel)
    size = Size.of(kernel, weight)
    error = float(np.mean((shared.astype(np.float64) - weight) ** 2))
    return {
        "layer": kernel.layer, "weight": kernel.weight, "clusters": clusters, "values_before": most(weight, kernel),
        "values_after": after, "mean_squared_error": error, "table_bytes": size.bytes(after),
        "dense_bytes": weight.size,
    }  # fmt: skip


def most(weight: NDArray[Any], kernel: Kernel) -> int:
    """Give the most distinct values that a channel has."""
    return int(distinct(weight, kernel.axis).max())


def worthwhile(model: Any, wanted: Mapping[Kernel, int]) -> tuple[dict[Kernel, int], list[Skipped]]:
    """Part the weights for which a table takes less than their int8 numbers from those for which it does not."""
    chosen, skipped = {}, []
    for kernel, clusters in wanted.items():
        size = Size.of(kernel, kernel.read(model))
        if size.pays(clusters):
            chosen[kernel] = clusters
        else:
            each = f"{size.tables} table{'s' * (size.tables > 1)} of {size.width(clusters)} values"
            why = f"{kernel.weight}: {each} would take {size.bytes(clusters)} bytes, its int8 numbers {size.elements}"
            skipped.append(Skipped(kernel.layer, why))
    return chosen, skipped


def require_few_values(model: Any, wanted: Mapping[Kernel, int]) -> None:
    """Make sure that the training left no weight with more values than it was given.

    Raises:
        TinycError: a channel has more.
    """
    for kernel, clusters in wanted.items():
        values = most(kernel.read(model), kernel)
        if values > clusters:
            raise TinycError(
                f"layer {kernel.layer!r}", f"has {values} values in a channel after training, not {clusters}"
            )
