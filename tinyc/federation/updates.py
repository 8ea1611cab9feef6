"""An update on its way: as a client makes it, and as the server has those of a round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = Mapping[str, Array]
"""Weights by name as they go between server and clients: in the clear (float32), or all of them ciphertexts (uint8)."""
WHY_LENGTH = 300


def is_sealed(weights: Arrays) -> bool:
    """Say whether weights are ciphertexts."""
    return any(each.dtype == np.uint8 for each in weights.values())


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
    weights: Arrays = field(repr=False)
    examples: int


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
    weights: Arrays = field(default_factory=dict, repr=False)


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
        together: what they were put together to; nothing before that.
        loss: the mean loss that clients report, once they are put together.
        memory: what steps remember from round to round, by a name of theirs and the variable's.
    """

    round: int
    sent: Arrays = field(repr=False)
    before: Arrays = field(repr=False)
    usable: tuple[Answer, ...]
    rejected: tuple[Rejected, ...] = ()
    together: Arrays = field(default_factory=dict, repr=False)
    loss: float | None = None
    memory: Mapping[str, Arrays] = field(default_factory=dict, repr=False)

    def without(self, why: Mapping[str, str]) -> Updates:
        """Leave out clients, each for its reason."""
        kept = tuple(each for each in self.usable if each.client not in why)
        return replace(self, usable=kept, rejected=(*self.rejected, *(Rejected(*each) for each in why.items())))


Outgoing = Callable[[Update], Update]
"""One step of a client, on its update before that leaves."""
Incoming = Callable[[Updates], Updates]
"""One step of the server, on the updates of a round."""
