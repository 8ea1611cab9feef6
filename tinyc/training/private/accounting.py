"""What a training with noise tells of one client or example: epsilon at a delta, by Google's dp-accounting.

`noise` is everywhere the standard deviation of the noise that is added to a sum, in units of the clipping norm C that
each client's or example's contribution to that sum is cut to.

    sampling              epsilon is the least of these upper bounds
    all                   G: exact, all rounds are one Gaussian (Balle and Wang 2018)
    without_replacement   G; RDP (Wang, Balle and Kasiviswanathan 2019, theorem 27), which holds for "replace one" too
    poisson               G; RDP (Mironov, Talwar and Zhang 2019); PLD (Koskela et al. 2020)

All figures hold for "add or remove one" in the form that leaves the number of clients or examples as it is, which is
public: one's contribution is there, or is nothing. Sums are divided by the number that was planned, never by that which
came. G counts no secrecy of who was drawn. The theorem for sampling without replacement is about one in another's
place, which moves the sum by up to 2 C, and nothing in one's place is a case of it. The RDP accountant takes the noise
in units of what the sum can move by (PLD's takes C, and doubles it itself), so it is given noise / 2 there. Figures
made without this are too low: 50 of 1000 clients, noise 1, 50 rounds and delta 1e-5 are 22.2; 4.78 is noise 2.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tinyc.core.errors import MachineError, UserError
from tinyc.spec.privacy import Privacy

Sampling = Literal["poisson", "without_replacement", "all"]

WORTH_REFINING = 20.0
"""Epsilon from RDP above which PLD, whose tables grow with it to many GB, is not asked."""
ORDERS = (*range(2, 64), 96, 128, 256, 512, 1024)
"""Renyi orders for Poisson sampling: whole ones, where the divergence is a finite sum."""
FEW_ORDERS = (1.25, 1.5, 1.75, *range(2, 17), *range(20, 64, 4), 128)
"""Renyi orders for sampling without replacement, whose theorem takes long for large ones."""
INTERVAL = 1e-3
"""Step in which privacy losses are rounded upwards."""
TOLERANCE = 2e-3
"""How far the calibrated noise may lie above the least that would do, as a share of it."""
MOST_NOISE = 1e6


@dataclass(frozen=True)
class Schedule:
    """How often noise is added, and to the sum over whom.

    Attributes:
        sampling: each unit by itself with probability drawn / units; `drawn` at random without replacement; or all.
        units: clients or examples there are.
        drawn: how many take part each time; for poisson the expected number.
        times: rounds or steps.
        delta: the probability at which epsilon is told.
    """

    sampling: Sampling
    units: int
    drawn: float
    times: int
    delta: float


@dataclass(frozen=True)
class Plan:
    """The noise of a training, the rounds or steps that it may take, and the epsilon after them."""

    noise: float
    times: int
    epsilon: float


def clients(units: int, drawn: int, rounds: int, delta: float) -> Schedule:
    """Say that `drawn` of `units` clients take part in each round, drawn without replacement, or all of them."""
    return Schedule("all" if drawn >= units else "without_replacement", units, min(drawn, units), rounds, delta)


def examples(units: int, batch: int, steps: int, delta: float) -> Schedule:
    """Say that each step draws each of `units` examples with probability batch / units."""
    return Schedule("poisson", units, min(batch, units), steps, delta)


def plan(privacy: Privacy, schedule: Schedule) -> Plan:
    """Choose the noise where it is not given, and the most rounds or steps that the budget allows.

    Raises:
        UserError: the budget does not allow one.
        MachineError: dp-accounting is not installed.
    """
    noise = calibrate(privacy, schedule)
    times = schedule.times if privacy.epsilon is None else affordable(noise, schedule, privacy.epsilon)
    if times < min(1, schedule.times):
        problem = f"noise = {noise:g} spends {spent(noise, schedule, 1):.3g} at once, and epsilon = {privacy.epsilon:g}"
        raise UserError("privacy", problem, "give more noise or a larger epsilon, or leave `noise` out")
    return Plan(noise, times, spent(noise, schedule, times))


def calibrate(privacy: Privacy, schedule: Schedule) -> float:
    """Give the noise: as written, or the least, within two thousandths, that meets `privacy.epsilon`.

    Raises:
        UserError: no noise meets it.
        MachineError: dp-accounting is not installed.
    """
    if privacy.noise is not None:
        return privacy.noise
    target = privacy.epsilon
    if target is None or schedule.times == 0:
        return 1.0
    high = 0.25
    while bound(high, schedule, schedule.times) > target:
        high *= 2
        if high > MOST_NOISE:
            problem = f"no noise up to {MOST_NOISE:g} meets epsilon = {target:g} at delta = {schedule.delta:g}"
            raise UserError("privacy", problem, "give a larger epsilon, or fewer rounds or epochs")
    simple = narrow(lambda noise: bound(noise, schedule, schedule.times) <= target, 0.0, high)
    if schedule.sampling != "poisson" or target > WORTH_REFINING:
        return simple
    low = 0.8 * simple
    while spent(low, schedule) <= target:
        low *= 0.8
    return narrow(lambda noise: spent(noise, schedule) <= target, low, simple)


def narrow(meets: Any, low: float, high: float) -> float:
    """Halve an interval whose upper end meets; give an end that does."""
    while high - low > TOLERANCE * high:
        middle = (low + high) / 2
        low, high = (low, middle) if meets(middle) else (middle, high)
    return high


def affordable(noise: float, schedule: Schedule, epsilon: float) -> int:
    """Return the most rounds or steps, up to the schedule's, whose epsilon does not exceed the budget."""
    if spent(noise, schedule) <= epsilon:
        return schedule.times
    low, high = 0, schedule.times
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if spent(noise, schedule, middle) <= epsilon else (low, middle)
    return low


def spent(noise: float, schedule: Schedule, times: int | None = None) -> float:
    """Give epsilon at the schedule's delta after `times` rounds or steps; all of them if absent.

    Raises:
        MachineError: dp-accounting is not installed.
    """
    count = schedule.times if times is None else times
    if count == 0:
        return 0.0
    upper = bound(noise, schedule, count)
    if schedule.sampling != "poisson" or upper > WORTH_REFINING:
        return upper
    return min(upper, by_distribution(noise, schedule, count))


def bound(noise: float, schedule: Schedule, times: int) -> float:
    """Give the smaller of what takes no time: one Gaussian, and the Renyi divergences of the sampling."""
    together = gaussian(math.sqrt(times) / noise, schedule.delta)
    if schedule.sampling == "all":
        return together
    _, rdp, _ = libraries()
    orders, once = divergences(noise, schedule.sampling, schedule.units, schedule.drawn)
    return min(together, float(rdp.compute_epsilon(orders, times * once, schedule.delta)[0]))


@functools.lru_cache(256)
def divergences(noise: float, sampling: Sampling, units: int, drawn: float) -> tuple[Any, Any]:
    """Give the Renyi orders, and the divergence of one round or step at each."""
    dp, rdp, _ = libraries()
    relations = dp.NeighboringRelation
    if sampling == "poisson":
        accountant = rdp.RdpAccountant(ORDERS, relations.ADD_OR_REMOVE_ONE)
        accountant.compose(dp.PoissonSampledDpEvent(drawn / units, dp.GaussianDpEvent(noise)))
    else:
        accountant = rdp.RdpAccountant(FEW_ORDERS, relations.REPLACE_ONE)
        # In units of 2 C, by which one client in another's place moves the sum.
        accountant.compose(dp.SampledWithoutReplacementDpEvent(units, int(drawn), dp.GaussianDpEvent(noise / 2)))
    return accountant.orders, accountant.rdp


def by_distribution(noise: float, schedule: Schedule, times: int) -> float:
    """Compose Poisson steps by privacy loss distributions, rounded upwards (Koskela et al. 2020, Doroshenko 2022)."""
    dp, _, pld = libraries()
    accountant = pld.PLDAccountant(dp.NeighboringRelation.ADD_OR_REMOVE_ONE, INTERVAL)
    accountant.compose(dp.PoissonSampledDpEvent(schedule.drawn / schedule.units, dp.GaussianDpEvent(noise)), times)
    return float(accountant.get_epsilon(schedule.delta))


def gaussian(shift: float, delta: float) -> float:
    """Give the exact epsilon of Gaussian noise whose mean moves by `shift` deviations (Balle and Wang 2018, theorem 8).

    Rounds that all take part in are one such with sqrt(rounds) times the shift (Dong et al. 2022, corollary 2).
    """
    from scipy.special import log_ndtr  # the extra signal or privacy brings SciPy

    def exceeds(epsilon: float) -> bool:
        first, second = log_ndtr(shift / 2 - epsilon / shift), epsilon + log_ndtr(-shift / 2 - epsilon / shift)
        return bool(first + np.log1p(-np.exp(min(second - first, 0.0))) > math.log(delta))

    low, high = 0.0, 1.0
    if not exceeds(low):
        return 0.0
    while exceeds(high):
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if exceeds(middle) else (low, middle)
    return high


def libraries() -> tuple[Any, Any, Any]:
    """Import dp-accounting with its two accountants."""
    try:
        import dp_accounting  # of the extra privacy
        from dp_accounting import pld, rdp  # of the extra privacy
    except ImportError as error:
        remedy = 'pip install "tinyc[privacy]"'
        raise MachineError("privacy", "dp-accounting, which counts epsilon, is not installed", remedy) from error
    return dp_accounting, rdp, pld
