"""Client-level differential privacy with fixed clipping (McMahan et al. 2018, DP-FedAvg).

    server    mean update = (sum of updates, each cut to the norm C, + noise of deviation z C) / clients planned
    shares    each client cuts its update and adds noise of deviation z C / sqrt(clients planned) before it is sealed

Flower's DifferentialPrivacyServerSideFixedClipping is not used, although this is what it computes when all goes well:
its noise comes from numpy's global generator, so that no run can be repeated; it averages over those that answered,
weighted by examples, and takes the noise for those that were planned, so that one client weighs more than it is
accounted for; and its accountant counts no sampling. After the noise, zeros and tables of the network are put back,
which is post-processing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import MachineError, UserError
from tinyc.federation.job import Job
from tinyc.federation.server.checks import norm
from tinyc.federation.updates import Arrays, Update, Updates
from tinyc.spec.federation import FederationOptions, required
from tinyc.training.private.client_budget import applies, by_shares, from_system, planned, root, schedule_of

SERVER, SHARE = 3, 4  # streams of noise


@dataclass(frozen=True)
class Clipping:
    """A client's step: its update leaves cut to the norm `clip`, with noise of `deviation`."""

    clip: float
    deviation: float
    seed: int
    bound: bool = False
    """Whether other weights that came get other noise, so that asking again tells nothing more; for terminals."""

    def __call__(self, update: Update) -> Update:
        """Give the weights that came plus the clipped update, and this client's share of the noise."""
        before, moved = update.before, clipped(update.weights, update.before, self.clip)
        total = hashlib.sha256(f"{self.seed}/{SHARE}/{update.round}/{update.client}".encode())
        for name in sorted(before) if self.bound else ():
            total.update(before[name].tobytes())
        noise = gaussian(before, self.deviation, [int.from_bytes(total.digest(), "big")])
        return replace(
            update, weights={name: (before[name] + moved[name] + noise[name]).astype(np.float32) for name in before}
        )


def clipping(job: Job) -> Clipping | None:
    """Make the step of a client: none, clipping, or clipping and a share of the noise."""
    privacy = job.options.privacy
    if privacy is None or not applies(job.options) or not (by_shares(job.options) or privacy.where == "client"):
        return None
    noise = job.noise if by_shares(job.options) else 0.0
    if noise is None:
        raise UserError("federate.privacy", "the job does not say how much noise a client adds", "begin it anew")
    return Clipping(privacy.clip, noise * privacy.clip, root(job.options, job.seed), from_system(job.options))


def clipped(arrays: Arrays, start: Arrays, clip: float) -> dict[str, NDArray[np.float64]]:
    """Give the update from `start` to `arrays`, scaled down to the norm `clip` where it is longer, float64."""
    update = {name: np.asarray(arrays[name], np.float64) - start[name] for name in start}
    length = norm(update.values())
    factor = min(1.0, clip / length) if length else 1.0
    return {name: factor * each for name, each in update.items()}


def gaussian(shapes: Arrays, deviation: float, entropy: list[int]) -> dict[str, NDArray[np.float64]]:
    """Draw noise for every array, in the order of the names."""
    random = np.random.default_rng(entropy)
    return {name: random.normal(0.0, deviation, shapes[name].shape) for name in sorted(shapes)}


@dataclass(frozen=True)
class NoisyMean:
    """The server's step in place of an average: how much is cut and added, and by whose number the sum is divided."""

    clip: float
    noise: float
    planned: int
    root: int
    exact: bool = False
    """Whether epsilon counts on the number that was drawn."""

    def __call__(self, updates: Updates) -> Updates:
        """Clip, sum, add noise, divide.

        Raises:
            MachineError: other than the planned number of clients were drawn, where epsilon counts on the draw.
        """
        drawn, answers = len(updates.usable) + len(updates.rejected), updates.usable
        if self.exact and drawn != self.planned:
            problem = f"{drawn} clients were drawn, and epsilon counts on {self.planned} of all"
            remedy = "wait for all clients, or use fraction = 1"
            raise MachineError(f"federate, round {updates.round}", problem, remedy)
        mean = self.mean((each.weights for each in answers), updates.before, updates.round)
        return replace(updates, together=mean, loss=sum(each.loss for each in answers) / len(answers))

    def mean(self, replies: Iterable[Arrays], start: Arrays, round: int) -> dict[str, NDArray[np.float32]]:
        """Give `start` plus the mean of the clipped updates with noise; who did not answer counts as no update."""
        total = gaussian(start, self.noise * self.clip, [self.root, SERVER, round])
        for arrays in replies:
            update = clipped(arrays, start, self.clip)
            total = {name: total[name] + update[name] for name in total}
        return {name: (start[name] + total[name] / self.planned).astype(np.float32) for name in start}


def noisy_mean(options: FederationOptions, clients: int, seed: int) -> NoisyMean:
    """Make the server's step.

    Args:
        clients: how many there are, of which each round draws the same number.
        seed: all noise comes from it, but among real terminals, where it comes from the operating system.

    Raises:
        UserError: the budget does not allow one round, or the server cannot see updates.
    """
    if by_shares(options):
        problem = f"the server cannot add noise under aggregation = {options.aggregation!r}"
        raise UserError("federate.privacy", problem, 'let clients add it: privacy = { where = "client", ... }')
    schedule, noise = schedule_of(options, clients), planned(options, clients).noise
    exact = schedule.sampling == "without_replacement"
    return NoisyMean(required(options).clip, noise, int(schedule.drawn), root(options, seed), exact)
