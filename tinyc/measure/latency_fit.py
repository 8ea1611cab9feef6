"""Cycles a multiply-accumulate, fitted to public measurements of whole networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tinyc.devices.board import Core
from tinyc.devices.latency import Flash, Measurements, Setup, measurements
from tinyc.measure.latency_terms import KINDS, Platform, Terms, geometric_mean, terms

NOISE, PRIOR = 0.15, 0.5
"""Standard deviations, of logarithms: of a measurement about the model, and of what a kind costs relative to a
convolution before anything was measured."""
STEPS, LONGEST_STEP, LAST_STEP = 60, 0.5, 1e-9


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


def flash_of(core: Core, known: Measurements) -> Flash | None:
    """Find how fast a core reads serial flash."""
    return next((flash for flash in known.flashes if flash.core == core), None)


def platform_of(setup: Setup, known: Measurements) -> Platform:
    """Say what a setup ran its networks on."""
    flash = flash_of(setup.core, known) if setup.flash == "serial" else None
    return Platform(setup.core, setup.kernels or "reference", setup.clock_mhz * 1e6, flash)


def total(each: Sequence[Terms]) -> tuple[tuple[float, ...], float]:
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
            macs, beside = total(terms(known.network(name).layers, platform, known))
            found.append(Point(setup, name, macs, beside, ms / 1000 * platform.hertz))
    return tuple(found)


def expected_ratios(known: Measurements) -> tuple[float, ...]:
    """Say by kind what a multiply-accumulate is expected to cost, relative to a convolution's.

    A product's as much; a depthwise one, which uses no number twice, as much more as in published figures of single
    kernels in plain C.
    """
    plain = [each for each in known.products if each.kernels == "reference"]
    deeper = geometric_mean(
        deep.each / product.each
        for deep in plain
        for product in plain
        if (deep.kind, product.kind, deep.core) == ("depthwise", "product", product.core)
    )
    return tuple({"convolution": 1.0, "product": 1.0, "depthwise": deeper}[kind] for kind in KINDS)


def fit(given: Sequence[Point]) -> Costs:
    """Fit one cost a setup, and one ratio a kind that all setups of a family share, in relative error.

    Least squares of log(measured / estimated) by Gauss and Newton, with a weak prior (`expected_ratios`): four or five
    networks a setup cannot tell three costs apart in each, but together they can.
    """
    names = sorted({point.setup.name for point in given})
    rows = np.arange(len(given))
    owner = np.array([names.index(point.setup.name) for point in given])
    macs, beside, cycles = (
        np.array([getattr(point, key) for point in given], float) for key in ("macs", "beside", "cycles")
    )
    expected = np.log(expected_ratios(measurements())[1:])
    found = np.concatenate([np.full(len(names), math.log(5.0)), expected])
    for _ in range(STEPS):
        relative = np.concatenate([[0.0], found[len(names) :]])
        parts = np.exp(found[owner])[:, None] * macs * np.exp(relative)
        estimated = parts.sum(axis=1) + beside
        slopes = np.zeros((len(given), len(found)))
        slopes[rows, owner] = parts.sum(axis=1) / estimated
        slopes[:, len(names) :] = parts[:, 1:] / estimated[:, None]
        errors = np.log(cycles / estimated)
        moved = step(slopes / NOISE, errors / NOISE, (found[len(names) :] - expected) / PRIOR)
        found = found + moved
        if np.abs(moved).max() < LAST_STEP:
            break
    scales, ratios = np.exp(found[: len(names)]).tolist(), np.exp(found[len(names) :]).tolist()
    return Costs((1.0, *ratios), dict(zip(names, scales, strict=True)))


def step(slopes: Any, errors: Any, prior: Any) -> Any:
    """Solve one step, with the prior's rows under those of the measurements, and cut it where it is long."""
    under = np.zeros((len(prior), slopes.shape[1]))
    under[:, slopes.shape[1] - len(prior) :] = np.eye(len(prior)) / PRIOR
    solved, *_ = np.linalg.lstsq(np.vstack([slopes, under]), np.concatenate([errors, -prior]), rcond=None)
    return np.clip(solved, -LONGEST_STEP, LONGEST_STEP)
