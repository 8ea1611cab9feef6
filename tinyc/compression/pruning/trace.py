"""What a walk over a network has found so far: channels, which of them go together, and where they are stored.

Every channel that a layer makes is one number; tensors carry arrays of them along their last axis. Layers that
tie channels together (a residual Add) unite numbers, so that in the end each set of united numbers is one
coupled channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Channels = NDArray[np.int64]
Role = Literal["makes", "follows", "reads"]


class Uncuttable(Exception):
    """A layer whose channels must stay whole; the message says why."""


@dataclass(frozen=True)
class Cut:
    """One axis of one weight that shrinks with its channels.

    `weight` is the layer's attribute. `role` says whether this axis makes the channels (a filter), follows
    them (BatchNormalization, depthwise), or reads them (the input axis of a kernel). `gate` is False where the
    weight does not switch its channels off: those of an attention's query and key.
    """

    layer: str
    weight: str
    axis: int
    channels: Channels
    role: Role
    gate: bool = True


@dataclass(frozen=True)
class Resize:
    """One entry of a layer's config that holds the number of its channels (the last element of a shape).

    With `values` it holds a number for each channel, along its last axis.
    """

    layer: str
    key: str
    channels: Channels
    values: bool = False


@dataclass(frozen=True)
class Node:
    """One call of one layer: its input channels and shapes, and the names of the layers that feed it."""

    layer: Any
    inputs: tuple[Channels, ...]
    shapes: tuple[tuple[int | None, ...], ...]
    output_shape: tuple[int | None, ...]
    sources: tuple[str, ...]


@dataclass
class Trace:
    """Grow while the rules run; `parent` is a union-find forest, `maker` the layer that made each channel.

    `attentions` names the layers whose channels are heads.
    """

    parent: list[int] = field(default_factory=list)
    maker: list[str] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    resizes: list[Resize] = field(default_factory=list)
    protected: list[tuple[Channels, str, str]] = field(default_factory=list)
    normalized: set[str] = field(default_factory=set)
    attentions: set[str] = field(default_factory=set)

    def fresh(self, layer: str, count: int) -> Channels:
        """Make `count` new channels of a layer."""
        first = len(self.parent)
        self.parent.extend(range(first, first + count))
        self.maker.extend([layer] * count)
        return np.arange(first, first + count)

    def cut(self, layer: Any, weight: str, axis: int, channels: Channels, role: Role) -> None:
        """Note that an axis of a weight shrinks with `channels`; a weight that the layer lacks is passed over."""
        if getattr(layer, weight, None) is not None:
            self.cuts.append(Cut(layer.name, weight, axis, channels, role))

    def resize(self, layer: Any, key: str, channels: Channels, values: bool = False) -> None:
        self.resizes.append(Resize(layer.name, key, channels, values))

    def protect(self, channels: Channels, layer: str, why: str) -> None:
        """Keep channels whole, because of `layer`."""
        self.protected.append((channels, layer, why))

    def root(self, channel: int) -> int:
        while self.parent[channel] != channel:
            self.parent[channel] = self.parent[self.parent[channel]]
            channel = self.parent[channel]
        return channel

    def unite(self, first: Iterable[int], second: Iterable[int]) -> None:
        """Tie channels together one by one."""
        for one, other in zip(first, second, strict=True):
            self.parent[self.root(int(other))] = self.root(int(one))
