"""An update on its way: as a client makes it, and as the server has those of a round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Sealed = Mapping[str, bytes]
Weights = Arrays | Sealed
"""What goes between server and clients by name: arrays in the clear (float32), or all of it ciphertexts."""
WHY_LENGTH = 300


def is_sealed(weights: Weights) -> TypeGuard[Sealed]:
    """Say whether weights are ciphertexts."""
    return any(isinstance(each, bytes) for each in weights.values())


@dataclass(frozen=True)
class Update:
    """What one client learnt in a round, on its way out.

    Attributes:
        before: the weights that the round began with, in the clear.
        weights: the new weights by name, not their differences; ciphertexts once they are encrypted.
        examples: how many examples it trained on.
    """

    client: str
    round: int
    before: Arrays = field(repr=False)
    weights: Weights = field(repr=False)
    examples: int

    @property
    def arrays(self) -> Arrays:
        """The weights in the clear."""
        return clear(self.weights)


@dataclass(frozen=True)
class Answer:
    """A client's answer to the server; `metrics` are its figures beside examples and loss.

    `content` is the block of bytes that came, and `weights` what it holds, once that was checked.
    """

    client: str
    content: bytes = field(repr=False)
    examples: int
    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    weights: Weights = field(default_factory=dict, repr=False)

    @property
    def arrays(self) -> Arrays:
        """The weights in the clear."""
        return clear(self.weights)


@dataclass(frozen=True)
class Rejected:
    """A client whose answer is not used, and why."""

    client: str
    why: str

    def __post_init__(self) -> None:
        """Keep the reason to one short line: it may quote what a client sent."""
        object.__setattr__(self, "why", "".join(c if c.isprintable() else "?" for c in self.why[:WHY_LENGTH]))


@dataclass(frozen=True)
class Updates:
    """A round as the server has it, on its way in.

    Attributes:
        sent: the weights that the round began with, as they were sent.
        before: the same in the clear; those of the first round where the server has no key.
        usable: answers that have passed all checks so far, in the order of the clients' names.
        together: what they were put together to; None before that.
        loss: the mean loss that clients report, once they are put together.
    """

    round: int
    sent: Weights = field(repr=False)
    before: Arrays = field(repr=False)
    usable: tuple[Answer, ...]
    rejected: tuple[Rejected, ...] = ()
    together: Weights | None = field(default=None, repr=False)
    loss: float | None = None

    @property
    def mean(self) -> Arrays:
        """What the answers were put together to, in the clear."""
        return clear(self.together or {})

    def without(self, why: Mapping[str, str]) -> Updates:
        """Leave out clients, each for its reason."""
        kept = tuple(each for each in self.usable if each.client not in why)
        return replace(self, usable=kept, rejected=(*self.rejected, *(Rejected(*each) for each in why.items())))


class Outgoing(Protocol):
    """One step of a client, on its update before that leaves."""

    def outgoing(self, update: Update) -> Update:
        """Give the update that takes this one's place."""


@runtime_checkable
class Decrypting(Protocol):
    """A step under which weights also come as ciphertexts."""

    def decrypt(self, sealed: Sealed, rounds: int, where: str) -> Arrays:
        """Give the weights after so many rounds; `where` names the holder of the key in errors."""


class Incoming(Protocol):
    """One step of the server, on the updates of a round."""

    def incoming(self, updates: Updates) -> Updates:
        """Give the updates as they are after this step."""


@runtime_checkable
class Remembering(Protocol):
    """A step of the server that remembers arrays from round to round, by a name of its own and the variable's."""

    memory: dict[str, Arrays]


def clear(weights: Weights) -> Arrays:
    """Give weights as arrays.

    Raises:
        TypeError: they are ciphertexts.
    """
    found = {name: each for name, each in weights.items() if isinstance(each, np.ndarray)}
    if len(found) != len(weights):
        raise TypeError("ciphertexts stand where arrays should")
    return found


def ciphertexts_of(weights: Weights) -> Sealed:
    """Give weights as ciphertexts.

    Raises:
        TypeError: they are arrays.
    """
    found = {name: each for name, each in weights.items() if isinstance(each, bytes)}
    if len(found) != len(weights):
        raise TypeError("arrays stand where ciphertexts should")
    return found
