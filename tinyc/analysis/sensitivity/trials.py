"""Every change of weights that is to be scored, under a name of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from tinyc.analysis.sensitivity import bits, cuts
from tinyc.analysis.sensitivity.bits import BITS
from tinyc.analysis.sensitivity.cuts import AMOUNTS, Channels
from tinyc.compression.pruning.graph import Group

BASE = "base"
Weights = dict[str, list[NDArray[Any]]]


@dataclass(frozen=True)
class Trial:
    """One change, and what makes the weights of the layers that it touches."""

    name: str
    weights: partial[Weights]


@dataclass(frozen=True)
class Ground:
    """A network, its coupled channels, and the layers that have weights to round, in the network's order."""

    model: Any
    channels: Channels
    layers: list[str]

    def trials(self) -> Iterator[Trial]:
        """Give every change once: from a small group two amounts may take the same channels."""
        yield Trial(BASE, partial(dict))
        for group in self.channels.groups:
            for count in sorted({cuts.removed(group, amount) for amount in AMOUNTS} - {0}):
                yield Trial(cut_name(group, count), partial(cuts.without, self.model, self.channels, group, count))
        for name in self.layers:
            for width in BITS:
                yield Trial(bits_name(name, width), partial(self.rounded, name, width))

    def rounded(self, name: str, width: int) -> Weights:
        return {name: bits.rounded_layer(self.model, name, width)}


def ground_of(model: Any) -> Ground:
    """Look a network over.

    Raises:
        UserError: the network is subclassed, so that its calls cannot be followed.
    """
    return Ground(model, cuts.channels(model), bits.layers(model))


def cut_name(group: Group, count: int) -> str:
    """Name a cut; no two groups are made by the same layers."""
    return f"cut {count} of {' '.join(group.layers)}" if count else BASE


def bits_name(layer: str, width: int) -> str:
    return f"{width} bits in {layer}"
