"""Costs fitted to public measurements, and how far off they were for networks that they were not fitted to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np

from tinyc.devices.board import Core
from tinyc.devices.latency import Flash, Measurements, Setup, measurements
from tinyc.measure.latency_terms import KINDS, Platform, Terms, terms

WIDEST = 3.0
"""Where the ends of a range are further apart than this factor, no estimate is shown."""
FEWEST_NETWORKS = 3
COVERED = 0.90
NOISE, PRIOR = 0.15, 0.5
"""Standard deviations, of logarithms: of a measurement about the model, and of what a kind costs relative to a
convolution before anything was measured."""
EXPECTED = (1.0, 1.0, 2.7)
"""What a multiply-accumulate of each kind is expected to cost relative to a convolution's. Of a depthwise one, 31.5
cycles against 11.5 on an ESP32-S3, 26.1 against 9.8 on an ESP32-P4: espressif/esp-nn README.md, kernels in ANSI C
(depthwise 3 x 3 over 16 channels, 1 x 1 over 64), commit d45b843c of 2026-04-27."""
STEPS, LONGEST_STEP = 40, 0.5


@dataclass(frozen=True)
class Point:
    """One measurement: multiply-accumulates by kind, the cycles reckoned beside them, and the cycles measured."""

    setup: Setup
    network: str
    macs: tuple[float, ...]
    beside: float
    cycles: float


@dataclass(frozen=True)
class Costs:
    """Cycles a multiply-accumulate: by kind relative to a convolution, and those of a convolution by setup."""

    relative: tuple[float, ...]
    convolution: dict[str, float]

    def of(self, names: Sequence[str]) -> tuple[float, ...]:
        """Give the cycles by kind, of the geometric mean of some setups."""
        scale = math.exp(float(np.mean([math.log(self.convolution[name]) for name in names])))
        return tuple(scale * each for each in self.relative)


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


def flash_of(core: Core, known: Measurements) -> Flash | None:
    """Find how fast a core reads serial flash."""
    return next((flash for flash in known.flashes if flash.core == core), None)


def platform_of(setup: Setup, known: Measurements) -> Platform:
    """Say what a setup ran its networks on."""
    flash = flash_of(setup.core, known) if setup.flash == "serial" else None
    return Platform(setup.core, setup.kernels or "reference", setup.clock_mhz * 1e6, flash)


def summed(each: Sequence[Terms]) -> tuple[tuple[float, ...], float]:
    """Add up a network's multiply-accumulates by kind, and the cycles beside them."""
    macs = tuple(float(sum(one.macs for one in each if one.kind == kind)) for kind in KINDS)
    return macs, sum(one.middle for one in each)


@cache
def points(family: tuple[str, str]) -> tuple[Point, ...]:
    """List the measurements that may calibrate a family of kernels."""
    known = measurements()
    found = []
    for setup in known.setups:
        platform = platform_of(setup, known)
        if not setup.calibrates or platform.family != family:
            continue
        for name, ms in setup.counted.items():
            macs, beside = summed(terms(known.network(name).layers, platform, known))
            found.append(Point(setup, name, macs, beside, ms / 1000 * platform.hertz))
    return tuple(found)


def fit(given: Sequence[Point]) -> Costs:
    """Fit one cost a setup, and one ratio a kind that all setups of a family share, in relative error.

    Least squares of log(measured / estimated) by Gauss and Newton, with a weak prior (`EXPECTED`): four or five
    networks a setup cannot tell three costs apart in each, but together they can.
    """
    names = sorted({point.setup.name for point in given})
    rows = np.arange(len(given))
    owner = np.array([names.index(point.setup.name) for point in given])
    macs, beside, cycles = (
        np.array([getattr(point, key) for point in given], float) for key in ("macs", "beside", "cycles")
    )
    expected = np.log(EXPECTED[1:])
    found = np.concatenate([np.full(len(names), math.log(5.0)), expected])
    for _ in range(STEPS):
        relative = np.concatenate([[0.0], found[len(names) :]])
        parts = np.exp(found[owner])[:, None] * macs * np.exp(relative)
        estimated = parts.sum(axis=1) + beside
        slopes = np.zeros((len(given), len(found)))
        slopes[rows, owner] = parts.sum(axis=1) / estimated
        slopes[:, len(names) :] = parts[:, 1:] / estimated[:, None]
        found = found + step(
            slopes / NOISE, np.log(cycles / estimated) / NOISE, (found[len(names) :] - expected) / PRIOR
        )
    return Costs(
        (1.0, *np.exp(found[len(names) :]).tolist()),
        dict(zip(names, np.exp(found[: len(names)]).tolist(), strict=True)),
    )


def step(slopes: Any, errors: Any, prior: Any) -> Any:
    """Solve one step, with the prior's rows under those of the measurements, and cut it where it is long."""
    under = np.zeros((len(prior), slopes.shape[1]))
    under[:, slopes.shape[1] - len(prior) :] = np.eye(len(prior)) / PRIOR
    solved, *_ = np.linalg.lstsq(np.vstack([slopes, under]), np.concatenate([errors, -prior]), rcond=None)
    return np.clip(solved, -LONGEST_STEP, LONGEST_STEP)


def calibrate(platform: Platform, without: str | None = None) -> Calibration | str:
    """Calibrate a core with its kernels, as if one network had never been measured; else say why not."""
    return calibrated(platform.family, platform.core, without)


@cache
def calibrated(family: tuple[str, str], core: Core, without: str | None) -> Calibration | str:
    """Fit the costs and the range.

    Each network is left out in turn, on every setup of the family, and predicted by what is left. The range reaches at
    least from the best to the worst of these errors on this core, and since they are few, over the interval that
    holds one further error with 90 % under Student's t (Hahn and Meeker, Statistical Intervals, chapter 4), with the
    variance pooled over the cores of the family. The errors of one network on several setups are not independent,
    which this does not know.
    """
    left = [point for point in points(family) if point.network != without]
    here = tuple(point for point in left if point.setup.core == core)
    networks = {point.network for point in here}
    if len(networks) < FEWEST_NETWORKS - (without is not None):
        return f"only {len(networks)} networks have public measurements on {core} with such kernels"
    errors = {each: left_out_errors(left, each) for each in sorted({point.setup.core for point in left})}
    if len(errors[core]) < 2:
        return f"too few networks have public measurements on {core} with such kernels"
    low, high = ends(errors[core], [found for found in errors.values() if len(found) > 1])
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
    freedom = sum(len(each) - 1 for each in family)
    variance = sum(float(np.var(each)) * len(each) for each in family) / freedom
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
    found = calibrate(platform, without=network)
    if isinstance(found, str):
        return LeftOut(setup, network, ms, None, None, None)
    macs, beside = summed(terms(known.network(network).layers, platform, known))
    middle = (float(np.dot(found.cycles, macs)) + beside) / platform.hertz * 1000
    return LeftOut(setup, network, ms, middle, middle * found.low, middle * found.high)
