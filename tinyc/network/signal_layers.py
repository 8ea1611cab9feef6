"""Linear operations as the weights of at most two layers, and what undoes them for a network that came before.

A filter is the same for every channel, so that it changes places with any matrix over channels: matrices go together
into one before it, and constants stay on their side of it, since a filter sees zeros beyond a window's ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.signals.operations import Affine, Filter, Operation, Project

FRONT, BACK = "tinyc_front_", "tinyc_back_"
WHY_FIXED = "it is preprocessing, which stays as it was fitted"


def is_fixed(layer_name: str) -> bool:
    """Say whether a layer is preprocessing, or undoes it: no pass cuts, clusters, factorizes or trains it."""
    return layer_name.startswith((FRONT, BACK))


@dataclass(frozen=True)
class Folded:
    """filter(x @ mix + before) + after, of the last axis; a diagonal `mix` without `before` is a scale by channel.

    Attributes:
        mix: (channels in, channels out), float64.
        before: (channels out,), added where the filter sees it.
        taps: the filter's, or one 1.
        after: (channels out,).
    """

    mix: NDArray[np.float64]
    before: NDArray[np.float64]
    taps: tuple[float, ...]
    after: NDArray[np.float64]

    @property
    def by_channel(self) -> bool:
        """One layer is enough: no channel goes into another, and the filter sees no constant."""
        square = self.mix.shape[0] == self.mix.shape[1]
        alone = square and not np.any(self.mix - np.diag(np.diag(self.mix)))
        return bool(alone and not self.before.any())

    @property
    def does_nothing(self) -> bool:
        return bool(self.taps == (1.0,) and self.by_channel and np.all(np.diag(self.mix) == 1) and not self.after.any())


def folded(operations: Sequence[Operation], channels: int) -> Folded:
    """Fold filters, affine maps and projections, with one filter at most among them."""
    mix, before, after = np.eye(channels), np.zeros(channels), np.zeros(channels)
    taps: tuple[float, ...] = (1.0,)
    filtered = False
    for operation in operations:
        if isinstance(operation, Filter):
            taps, filtered = operation.taps, True
        if not isinstance(operation, Affine | Project):
            continue
        matrix, constant = affine(operation)
        mix, before, after = mix @ matrix, before @ matrix, after @ matrix
        before, after = (before, after + constant) if filtered else (before + constant, after)
    if not filtered:
        before, after = np.zeros_like(before), before + after
    return Folded(mix, before, taps, after)


def affine(operation: Affine | Project) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return an operation as x @ matrix + constant."""
    if isinstance(operation, Affine):
        return np.diag(operation.scale), np.asarray(operation.offset, np.float64)
    matrix = np.asarray(operation.matrix, np.float64).T
    return matrix, -np.asarray(operation.mean) @ matrix


def undone(operations: Sequence[Operation], channels: int) -> Folded:
    """Give a network that came before its own view of what is left: each scale and projection undone in turn.

    A projection is undone by its pseudo-inverse, which of orthonormal rows is the transpose. Filters, medians and
    wavelets are not undone: they are what was meant to be taken away.
    """
    steps = [each for each in operations if isinstance(each, Affine | Project)]
    given = channels
    for operation in operations:
        given = operation.channels(given)
    mix, after = np.eye(given), np.zeros(given)
    for operation in reversed(steps):
        matrix, constant = affine(operation)
        inverse = np.diag(1 / np.diag(matrix)) if isinstance(operation, Affine) else np.linalg.pinv(matrix)
        mix, after = mix @ inverse, (after - constant) @ inverse
    return Folded(mix, np.zeros(mix.shape[1]), (1.0,), after)


def kernel(folded: Folded) -> NDArray[Any]:
    """Return the taps as a convolution's kernel, which runs the other way: (taps,), float32."""
    return np.asarray(folded.taps[::-1], np.float32)
