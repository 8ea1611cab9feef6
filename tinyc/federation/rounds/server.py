"""What a federated training is begun with at the server, and what it ends with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyc.core.progress import Progress, Silent
from tinyc.federation.flower.masks import Unmask
from tinyc.federation.job import Job
from tinyc.federation.privacy.encryption import Encryption, Sealing
from tinyc.federation.updates import Arrays, Incoming, is_sealed
from tinyc.spec.federation import FederationOptions
from tinyc.training.private import client_budget, example_budget

Budget = client_budget.Budget | example_budget.Budget
"""What a training may spend of privacy."""


@dataclass(frozen=True)
class Server:
    """A federated training as the server sees it.

    Attributes:
        options: rounds, fraction, min_clients, max_update, timeout and the rest.
        seed: draws the clients of each round.
        job: what clients are sent once.
        arrays: the weights that travel, as they are before the first round.
        clients: how many clients to wait for before the first round; later rounds wait for `min_clients` alone.
        steps: what is done to the updates of a round, from `exchange.at_server`.
        sealing: encrypts what is sent, and adds what comes; None where weights travel in the clear.
        opening: the clients' key for that, in a simulation; without it checkpoints and the end stay encrypted, and
            nothing is validated.
        unmask: takes rounds through the protocol of masks; None where there are none.
        budget: what may be spent of privacy, None where none is promised.
        validate: gives the accuracy of the network with these weights on the server's validation examples; None where
            that cannot be measured.
        folder: where checkpoints lie while it runs, or None for none.
        progress: where to say how far it is.
    """

    options: FederationOptions
    seed: int
    job: Job
    arrays: Arrays
    clients: int
    steps: tuple[Incoming, ...] = ()
    sealing: Sealing | None = None
    opening: Encryption | None = None
    unmask: Unmask | None = None
    budget: Budget | None = None
    validate: Callable[[Arrays], float | None] | None = None
    folder: Path | None = None
    progress: Progress = field(default_factory=Silent)

    def sent(self, arrays: Arrays, rounds: int) -> Arrays:
        """Give the weights after so many rounds as they are sent."""
        return self.sealing.seal(arrays, rounds) if self.sealing else arrays

    def clear(self, weights: Arrays, rounds: int) -> Arrays | None:
        """Give the weights after so many rounds in the clear; None where they are encrypted and there is no key."""
        if not is_sealed(weights):
            return weights
        return self.opening.decrypt(weights, rounds, "federate") if self.opening else None


@dataclass(frozen=True)
class Finished:
    """The weights after the last round, ciphertexts where they stay encrypted, and the facts of all rounds."""

    weights: Arrays
    facts: dict[str, Any]
