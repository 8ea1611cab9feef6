"""What a federated training is begun with at the server, and what it ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyc.core.progress import Progress, Silent
from tinyc.federation import replies

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinyc.federation.job import Job
    from tinyc.spec.federation import FederationOptions

Arrays = Mapping[str, "NDArray[Any]"]
Weights = Mapping[str, "NDArray[Any] | bytes"]
"""What goes from server to clients: arrays in the clear, or all of them sealed."""


def unmeasured(arrays: Arrays) -> float | None:
    """Measure nothing."""
    return None


def go_on(round: int) -> str | None:
    """Let every round begin."""
    return None


def no_epsilon(rounds: int) -> float | None:
    """Spend nothing that is accounted for."""
    return None


@dataclass(frozen=True)
class Server:
    """A federated training as the server sees it.

    Attributes:
        options: rounds, fraction, min_clients, max_update, timeout and the rest.
        seed: draws the clients of each round.
        job: what clients are sent once.
        arrays: the weights that travel, as they are before the first round.
        strategy: Flower's, from `strategies.strategy`.
        complaint: why an answer's arrays cannot be used, or None, from its records, `arrays` and `max_update`.
        seal: make what travels of weights in the clear after so many rounds; None where they travel as they are.
        unseal: the reverse, for a server that holds the key; without it checkpoints and the end are sealed, too, and
            nothing is validated.
        clients: how many clients to wait for before the first round; later rounds wait for `min_clients` alone.
        validate: accuracy of the network with these weights on the server's validation examples, or None.
        before_round: a reason to stop before the round (a privacy budget that is spent), or None.
        epsilon: epsilon spent after that many rounds, or None.
        folder: where checkpoints lie while it runs, or None for none.
        progress: where to say how far it is.
    """

    options: FederationOptions
    seed: int
    job: Job
    arrays: Arrays
    strategy: Any
    clients: int
    complaint: Callable[[Any, Arrays, float], str | None] = replies.complaint
    seal: Callable[[Arrays, int], Weights] | None = None
    unseal: Callable[[Weights, int], Arrays] | None = None
    validate: Callable[[Arrays], float | None] = unmeasured
    before_round: Callable[[int], str | None] = go_on
    epsilon: Callable[[int], float | None] = no_epsilon
    folder: Path | None = None
    progress: Progress = field(default_factory=Silent)


@dataclass(frozen=True)
class Finished:
    """The weights after the last round, by name (bytes where they stay sealed), and the facts of all rounds."""

    arrays: dict[str, Any]
    facts: dict[str, Any]
