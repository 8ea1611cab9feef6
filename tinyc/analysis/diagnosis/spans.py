"""Where the tensors of a Keras network lie in the artifact, found by their values: the rows that hold the same numbers.

No name is read: a converter folds a layer into the one before it or after it, and wrappers leave layers out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.diagnosis.layers import Layer
from tinyc.compression.pruning.graph import flat, walk
from tinyc.network import backend

Array = NDArray[np.float32]
SAME = 1e-3
"""How far two computations of one tensor in float may be apart, as a fraction of its range."""
LOOKED_AT = 256
"""How many values tell first that two tensors are not the same, before all are compared."""


@dataclass(frozen=True)
class Call:
    """One call of a layer: the tensors that it reads, and the one that it gives."""

    layer: Any
    inputs: tuple[Any, ...]
    output: Any


@dataclass(frozen=True)
class Span:
    """A stretch of the network with a layer in it, between two tensors that rows of the artifact hold.

    Attributes:
        start, end: the two tensors, and the row of each.
        beside: what else the end follows from, with the row of each.
        others: the layers of the stretch but the one that is judged.
    """

    start: tuple[Any, Layer]
    end: tuple[Any, Layer]
    beside: tuple[tuple[Any, Layer], ...]
    others: tuple[Any, ...]

    @property
    def has_weights(self) -> bool:
        """Say whether other layers have weights, which training moves and rounding changes."""
        return any(layer.weights for layer in self.others)


@dataclass(frozen=True)
class Spans:
    """A network's calls and values, and the rows that they were compared in.

    Attributes:
        values: by the tensor's id, (examples, ...), what the float network computes.
        rows: every compared operator, over the same examples.
    """

    calls: Sequence[Call]
    values: Mapping[int, Array]
    rows: Sequence[Layer]

    @cached_property
    def held(self) -> dict[int, Layer]:
        """The row that holds a tensor, by the tensor's id; constants tell nothing."""
        found = {id(tensor): self.row_of(id(tensor)) for call in self.calls for tensor in (*call.inputs, call.output)}
        return {key: row for key, row in found.items() if row is not None}

    def row_of(self, key: int) -> Layer | None:
        wanted = self.values[key]
        near = [(apart, -place) for place, row in enumerate(self.rows) if (apart := gap(row.wanted, wanted)) <= SAME]
        return self.rows[-min(near)[1]] if near else None

    def span(self, call: Call) -> Span | None:
        """Give the shortest stretch around a call with one input; None where no row holds what lies before or after."""
        above, below = self.up(call.inputs[0], ()), self.down(call.output, ((), ()))
        if above is None or below is None:
            return None
        (start, before), (end, beside, after) = above, below
        return Span((start, self.held[id(start)]), (end, self.held[id(end)]), beside, (*before, *after))

    def up(self, tensor: Any, passed: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]] | None:
        """Walk to the next tensor before that a row holds; gives it, with the layers on the way."""
        if id(tensor) in self.held:
            return tensor, passed
        maker = next((call for call in self.calls if call.output is tensor), None)
        return None if maker is None or len(maker.inputs) != 1 else self.up(maker.inputs[0], (*passed, maker.layer))

    def down(
        self, tensor: Any, passed: tuple[tuple[Any, ...], tuple[tuple[Any, Layer], ...]]
    ) -> tuple[Any, tuple[tuple[Any, Layer], ...], tuple[Any, ...]] | None:
        """Walk to the next tensor after that a row holds; gives it, what else it follows from, and the layers."""
        layers, beside = passed
        if id(tensor) in self.held:
            return tensor, beside, layers
        for call in self.calls:
            others = [each for each in call.inputs if each is not tensor]
            if len(others) == len(call.inputs) or any(id(each) not in self.held for each in others):
                continue
            more = tuple((each, self.held[id(each)]) for each in others)
            if found := self.down(call.output, ((*layers, call.layer), (*beside, *more))):
                return found
        return None


def spans(model: Any, rows: Sequence[Layer], x: NDArray[Any]) -> Spans:
    """Compute every tensor of a functional network for some examples, eagerly.

    Args:
        rows: the compared operators over the same examples `x`, (examples, *input_shape).
    """
    nodes = [node for node in walk(model) if not node.is_input and len(flat(node.outputs)) == 1]
    calls = [Call(node.layer, tuple(node.keras_inputs), flat(node.outputs)[0]) for node in nodes]
    tensors = {id(each): each for call in calls for each in (*call.inputs, call.output)}
    found = computed([model.inputs[0]], list(tensors.values()), [np.asarray(x)])
    return Spans(calls, dict(zip(tensors, found, strict=True)), rows)


def computed(starts: Sequence[Any], ends: Sequence[Any], given: Sequence[NDArray[Any]]) -> list[Array]:
    """Compute tensors of a network from those that they follow from, as the float layers do.

    Raises:
        ValueError: they follow from others too.
    """
    shaped = [each.reshape(-1, *start.shape[1:]) for start, each in zip(starts, given, strict=True)]
    found = backend.keras().Model(list(starts), list(ends))(shaped, training=False)
    return [np.asarray(each, np.float32) for each in flat(found)]


def gap(one: Array, other: Array) -> float:
    """Return the largest difference as a fraction of the range; infinite where shapes cannot be those of one tensor."""
    span = float(np.ptp(other)) if one.size == other.size and other.size else 0.0
    if not span or not np.isfinite(span):
        return float("inf")
    apart = np.abs(one.ravel()[:LOOKED_AT] - other.ravel()[:LOOKED_AT]).max() / span
    return float(apart if apart > SAME else np.abs(one.ravel() - other.ravel()).max() / span)
