"""How far off fitted costs were for networks that they were not fitted to, and the range that follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from tinyc.devices.board import Core
from tinyc.devices.latency import Measurements, Setup, measurements
from tinyc.measure.latency_fit import Point, fit, platform_of, points, total
from tinyc.measure.latency_terms import terms

WIDEST = 3.0
"""Where the ends of a range are further apart than this factor, no estimate is shown."""
FEWEST_NETWORKS = 3
COVERED = 0.90


@dataclass(frozen=True)
class Calibration:
    """What estimates of a core with such kernels rest on.

    `cycles` are those of a multiply-accumulate by kind; a latency lies between `low` and `high` times the middle.
    """

    cycles: tuple[float, ...]
    low: float
    high: float
    points: tuple[Point, ...]

    @property
    def factor(self) -> float:
        """Give how far apart the ends of the range are."""
        return self.high / self.low


@dataclass(frozen=True)
class LeftOut:
    """A measurement beside what is estimated without its network; None where too few others are left."""

    setup: Setup
    network: str
    measured_ms: float
    mid_ms: float | None
    low_ms: float | None
    high_ms: float | None

    @property
    def is_inside(self) -> bool:
        """Say whether the range holds what was measured."""
        return self.low_ms is not None and self.high_ms is not None and self.low_ms <= self.measured_ms <= self.high_ms


@cache
def calibrate(family: tuple[str, str], core: Core, without: str | None = None) -> Calibration | None:
    """Fit the costs and the range.

    Each network is left out in turn, on every setup of the family, and predicted by what is left. The range reaches at
    least from the best to the worst of these errors on this core, and since they are few, over the interval that
    holds one further error with 90 % under Student's t (Hahn and Meeker, Statistical Intervals, chapter 4), with the
    variance pooled over the cores of the family. The errors of one network on several setups are not independent,
    which this does not know. None where fewer than three networks were measured on the core; with `without`, as if that
    network had never been measured anywhere, then two.
    """
    left = [point for point in points(family) if point.network != without]
    here = tuple(point for point in left if point.setup.core == core)
    if len({point.network for point in here}) < FEWEST_NETWORKS - (without is not None):
        return None
    errors = {each: left_out_errors(left, each) for each in sorted({point.setup.core for point in left})}
    low, high = ends(errors[core], list(errors.values()))
    names = sorted({point.setup.name for point in here})
    return Calibration(fit(left).of(names), math.exp(low), math.exp(high), here)


def left_out_errors(given: Sequence[Point], core: Core) -> list[float]:
    """Give log(measured / estimated) of every measurement on a core, estimated without its network."""
    errors = []
    for network in sorted({point.network for point in given}):
        rest = [point for point in given if point.network != network]
        names = sorted({point.setup.name for point in rest if point.setup.core == core})
        if names:
            cycles = fit(rest).of(names)
            errors += [
                math.log(point.cycles / (float(np.dot(cycles, point.macs)) + point.beside))
                for point in given
                if point.network == network and point.setup.core == core
            ]
    return errors


def ends(here: Sequence[float], family: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Give the ends of a range, as logarithms, of errors on a core and of those on all cores of its family."""
    freedom = sum(len(each) - 1 for each in family if each)
    variance = sum(float(np.var(each)) * len(each) for each in family if each) / freedom
    reach = student(freedom) * math.sqrt(variance * (1 + 1 / len(here)))
    middle = float(np.mean(here))
    return min(*here, middle - reach), max(*here, middle + reach)


def student(freedom: int) -> float:
    """Give the two-sided quantile of Student's t, by the expansion of Abramowitz and Stegun, 26.7.5."""
    z = NormalDist().inv_cdf((1 + COVERED) / 2)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def left_out() -> tuple[LeftOut, ...]:
    """Estimate every measurement from those of the other networks alone, ranges included."""
    known = measurements()
    return tuple(
        one_left_out(setup, name, ms, known)
        for setup in known.setups
        if setup.calibrates
        for name, ms in setup.counted.items()
    )


def one_left_out(setup: Setup, network: str, ms: float, known: Measurements) -> LeftOut:
    """Estimate one measurement."""
    platform = platform_of(setup, known)
    found = calibrate(platform.family, setup.core, network)
    if found is None:
        return LeftOut(setup, network, ms, None, None, None)
    macs, beside = total(terms(known.network(network).layers, platform, known))
    middle = (float(np.dot(found.cycles, macs)) + beside) / platform.hertz * 1000
    return LeftOut(setup, network, ms, middle, middle * found.low, middle * found.high)
