"""Which layers hold a matrix that two thin ones can stand for, and that matrix's singular values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.graph import walk
from tinyc.network.contract import Skipped
from tinyc.network.signal_layers import WHY_FIXED, is_fixed

Matrix = NDArray[np.float64]

KINDS = {"Dense": "kernel", "Conv2D": "kernel", "TokenEmbedding": "embeddings"}
"""The layers that can be factorized, and the weight that is."""

HOMES = ("tf_keras.", "tinyc.network.blocks")
"""Where their classes come from; a user's class of the same name may compute otherwise."""


@dataclass(frozen=True)
class Factors:
    """The singular value decomposition of a layer's matrix, left @ diag(values) @ right.

    Attributes:
        left: (rows, full rank).
        values: (full rank,), the greatest first.
        right: (full rank, columns).
    """

    layer: str
    left: Matrix = field(repr=False)
    values: Matrix = field(repr=False)
    right: Matrix = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        return self.left.shape[0], self.right.shape[1]

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def price(self) -> int:
        """Parameters of each rank."""
        return sum(self.shape)

    @property
    def shares(self) -> Matrix:
        """Each squared singular value as a fraction of their sum; of a matrix of zeros the first is all."""
        squares = self.values**2
        return np.asarray(squares / squares.sum() if squares.any() else np.eye(1, len(squares))[0])

    def halves(self, rank: int) -> tuple[Matrix, Matrix]:
        """Give the two thin matrices, (rows, rank) and (rank, columns), with the singular values shared evenly.

        Their product is the nearest matrix of this rank (Eckart and Young 1936). The even share keeps both in the
        same range, which training and int8 want.
        """
        root = np.sqrt(self.values[:rank])
        return self.left[:, :rank] * root, root[:, None] * self.right[:rank]


def matrix(layer: Any) -> Matrix:
    """Give a layer's weight as a matrix, (inputs, outputs) or (vocabulary, width)."""
    weight = np.asarray(getattr(layer, KINDS[type(layer).__name__]), np.float64)
    return weight.reshape(-1, weight.shape[-1])


def factors(layer: Any) -> Factors:
    """Decompose a layer's matrix."""
    left, values, right = np.linalg.svd(matrix(layer), full_matrices=False)
    return Factors(layer.name, left, values, right)


def candidates(model: Any, names: Iterable[str]) -> tuple[list[Any], list[Skipped]]:
    """Part the named layers into those that can be factorized, and those with a kernel or table that cannot."""
    calls = Counter(node.layer.name for node in walk(model))
    wanted = set(names)
    able, skipped = [], []
    for layer in (layer for layer in model.layers if layer.name in wanted):
        why = unfit(layer, calls[layer.name])
        if not why:
            able.append(layer)
        elif any(key in weight.name for weight in layer.weights for key in ("kernel", "embeddings")):
            skipped.append(Skipped(layer.name, why))
    return able, skipped


def unfit(layer: Any, calls: int) -> str:
    """Say why a layer cannot be factorized; empty where it can."""
    if is_fixed(layer.name):
        return WHY_FIXED
    kind = type(layer)
    if kind.__name__ not in KINDS or not kind.__module__.startswith(HOMES):
        return f"{kind.__name__} has no low-rank form here"
    if calls > 1:
        return "it is called more than once"
    if kind.__name__ == "Conv2D":
        return unfit_convolution(layer)
    return ""


def unfit_convolution(layer: Any) -> str:
    rows, columns = layer.kernel_size
    if (rows, columns) != (1, 1):
        return f"its kernel is {rows}x{columns}; of convolutions only 1x1 is one matrix"
    if layer.groups != 1:
        return f"it has {layer.groups} groups, each with a matrix of its own"
    return "it keeps channels first" if layer.data_format == "channels_first" else ""
