"""Client-level differential privacy with fixed clipping (McMahan et al. 2018, DP-FedAvg).

    server    mean update = (sum of updates, each cut to the norm C, + noise of deviation z C) / clients planned
    shares    each client cuts its update and adds noise of deviation z C / sqrt(clients planned) before it seals it

Flower's DifferentialPrivacyServerSideFixedClipping is not used, although this is what it computes when all goes well:
its noise comes from numpy's global generator, so that no run can be repeated; it averages over those that answered,
weighted by examples, and takes the noise for those that were planned, so that one client weighs more than it is
accounted for; and its accountant counts no sampling. After the noise, zeros and tables of the network are put back,
which is post-processing.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import records, strategies
from tinyc.federation.client_budget import (
    Budget,
    answers_needed,
    applies,
    by_shares,
    from_system,
    noise_for_job,
    planned,
    root,
    schedule_of,
)
from tinyc.spec.federation import FederationOptions, required

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyc.federation.job import Job
    from tinyc.federation.local import Trained

__all__ = ["Budget", "Clipping", "answers_needed", "applies", "by_shares", "noise_for_job", "outgoing", "wrap"]

Arrays = Mapping[str, "NDArray[Any]"]
SERVER, SHARE = 3, 4  # streams of noise


@dataclass(frozen=True)
class Clipping:
    """A client's end: its update leaves cut to the norm `clip`, with noise of `deviation`; an `Outgoing`."""

    clip: float
    deviation: float
    seed: int
    bound: bool = False
    """Whether other weights that came get other noise, so that asking again tells nothing more; for terminals."""

    def protect(self, received: Arrays, trained: Trained, round: int, client: str) -> dict[str, NDArray[np.float32]]:
        """Give the weights that came plus the clipped update, and this client's share of the noise."""
        import numpy as np

        update = clipped(trained.arrays, received, self.clip)
        total = hashlib.sha256(f"{self.seed}/{SHARE}/{round}/{client}".encode())
        for name in sorted(received) if self.bound else ():
            total.update(received[name].tobytes())
        noise = gaussian(received, self.deviation, [int.from_bytes(total.digest(), "big")])
        return {name: (received[name] + update[name] + noise[name]).astype(np.float32) for name in received}


def outgoing(job: Job) -> tuple[Clipping, ...]:
    """Give what a client does to its update before anything else: nothing, clipping, or clipping and noise."""
    privacy = job.options.privacy
    if privacy is None or not applies(job.options) or not (by_shares(job.options) or privacy.where == "client"):
        return ()
    noise = job.noise if by_shares(job.options) else 0.0
    if noise is None:
        raise UserError("federate.privacy", "the job does not say how much noise a client adds", "begin it anew")
    real = from_system(job.options)
    return (Clipping(privacy.clip, noise * privacy.clip, root(job.options, job.seed), real),)


def clipped(arrays: Arrays, start: Arrays, clip: float) -> dict[str, NDArray[np.float64]]:
    """Give the update from `start` to `arrays`, scaled down to the norm `clip` where it is longer, float64."""
    import numpy as np

    update = {name: np.asarray(arrays[name], np.float64) - start[name] for name in start}
    norm = math.sqrt(sum(float(np.sum(np.square(each))) for each in update.values()))
    factor = min(1.0, clip / norm) if norm else 1.0
    return {name: factor * each for name, each in update.items()}


def gaussian(shapes: Arrays, deviation: float, entropy: list[int]) -> dict[str, NDArray[np.float64]]:
    """Draw noise for every array, in the order of the names."""
    import numpy as np

    random = np.random.default_rng(entropy)
    return {name: random.normal(0.0, deviation, shapes[name].shape) for name in sorted(shapes)}


@dataclass(frozen=True)
class Mechanism:
    """The server's end: how much is cut and added, and by whose number the sum is divided."""

    clip: float
    noise: float
    planned: int
    root: int

    def mean(self, replies: Iterable[Arrays], start: Arrays, round: int) -> dict[str, NDArray[np.float32]]:
        """Give `start` plus the mean of the clipped updates with noise; who did not answer counts as no update."""
        import numpy as np

        total = gaussian(start, self.noise * self.clip, [self.root, SERVER, round])
        for arrays in replies:
            update = clipped(arrays, start, self.clip)
            total = {name: total[name] + update[name] for name in total}
        return {name: (start[name] + total[name] / self.planned).astype(np.float32) for name in start}


def untouched(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Put nothing back."""
    return arrays


@dataclass
class Private:
    """A Flower strategy that is shown the noisy mean alone; see `wrap`."""

    strategy: Any
    mechanism: Mechanism
    exact: bool
    restore: Callable[[dict[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]
    start: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        if name == "strategy":
            raise AttributeError(name)
        return getattr(self.strategy, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set what the strategy remembers at the strategy: a resumed training puts it back here."""
        own = name in type(self).__dataclass_fields__
        object.__setattr__(self if own else self.strategy, name, value)

    def configure_train(self, server_round: int, arrays: Any, config: Any, grid: Any) -> list[Any]:
        """Remember what the round begins with.

        Raises:
            MachineError: other than the planned number of clients were drawn, where epsilon counts on the draw.
        """
        self.start = records.unpacked(arrays)
        messages = list(self.strategy.configure_train(server_round, arrays, config, grid))
        if self.exact and len(messages) != self.mechanism.planned:
            problem = f"{len(messages)} clients were drawn, and epsilon counts on {self.mechanism.planned} of all"
            raise MachineError(f"federate, round {server_round}", problem, "wait for all clients, or use fraction = 1")
        return messages

    def aggregate_train(self, server_round: int, replies: Iterable[Any]) -> tuple[Any, Any]:
        """Clip, sum, add noise, divide; let the strategy take its step on that; put zeros and tables back."""
        usable = [each for each in replies if not each.has_error()]
        if not usable:
            return None, None
        updates = (records.unpacked(each.content["arrays"]) for each in usable)
        mean = self.mechanism.mean(updates, self.start, server_round)
        arrays, metrics = self.strategy.aggregate_train(server_round, [answer(mean, usable)])
        return (None if arrays is None else records.packed(self.restore(records.unpacked(arrays)))), metrics


def answer(mean: Arrays, replies: list[Any]) -> Any:
    """Make the one answer that the strategy is shown in the place of all: the noisy mean, with their mean loss."""
    from flwr.app import MetricRecord, RecordDict

    told = [each.content["metrics"] for each in replies]
    figures: dict[str, Any] = {
        "num-examples": sum(int(each["num-examples"]) for each in told),
        "loss": sum(float(each["loss"]) for each in told) / len(told),
        strategies.WEIGHT: 1.0,
    }
    shown = copy.copy(replies[0])
    shown.content = RecordDict({"arrays": records.packed(mean), "metrics": MetricRecord(figures)})
    return shown


def wrap(
    strategy: Any,
    options: FederationOptions,
    clients: int,
    seed: int,
    restore: Callable[[dict[str, NDArray[Any]]], Mapping[str, NDArray[Any]]] = untouched,
) -> Any:
    """Give a strategy of Flower's client-level privacy: it is shown one answer, the mean with noise.

    Args:
        strategy: one that averages (FedAvg, FedProx, FedAdam), from `strategies.strategy`.
        clients: how many there are, of which each round draws the same number.
        seed: all noise comes from it, but among real terminals, where it comes from the operating system.
        restore: puts zeros and tables back into weights (`prepared.project`).

    Raises:
        UserError: the budget does not allow one round, or the server cannot see updates.
    """
    if by_shares(options):
        problem = f"the server cannot add noise under aggregation = {options.aggregation!r}"
        raise UserError("federate.privacy", problem, "clients add it: use `outgoing`")
    privacy, schedule = required(options), schedule_of(options, clients)
    noise = planned(options, clients).noise
    mechanism = Mechanism(privacy.clip, noise, int(schedule.drawn), root(options, seed))
    return Private(strategy, mechanism, schedule.sampling == "without_replacement", restore)
