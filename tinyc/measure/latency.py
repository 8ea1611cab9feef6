"""How long an inference takes on a board that nobody has at hand: a range, from public measurements; or why none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from tinyc.devices.board import Board
from tinyc.devices.latency import Measurements, measurements
from tinyc.devices.runtime import Runtime
from tinyc.devices.work import Shape, Work
from tinyc.measure.latency_calibration import FEWEST_NETWORKS, WIDEST, Calibration, calibrate
from tinyc.measure.latency_fit import flash_of
from tinyc.measure.latency_terms import (
    CALIBRATED,
    EXTENSIONS,
    KINDS,
    Platform,
    Terms,
    family,
    is_without_figure,
    layer,
    terms,
)

CONVERTING = frozenset({"QUANTIZE", "DEQUANTIZE"})
UNCALIBRATED_SHARE = 0.05
"""Up to this share of the multiply-accumulates may be of operators that no measurement is of."""
NAMED = 3
LARGEST = 1 << 40


@dataclass(frozen=True)
class OperatorLatency:
    """What one operator takes of an estimate: milliseconds at its middle, and the fraction of the whole."""

    where: str
    operator: str
    ms: float
    share: float


@dataclass(frozen=True)
class Estimate:
    """A latency in milliseconds that was estimated, not measured: from `low_ms` to `high_ms`, most likely `mid_ms`.

    `calibrated_on` says in one sentence what it was fitted to; `operators` are in the order of execution.
    """

    low_ms: float
    mid_ms: float
    high_ms: float
    operators: tuple[OperatorLatency, ...]
    calibrated_on: str

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        return f"{outward(self.low_ms, False)} to {outward(self.high_ms, True)} ms, {self.calibrated_on}"


@dataclass(frozen=True)
class Unknown:
    """No estimate, and why."""

    why: str

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        return f"no estimate: {self.why}"


def outward(ms: float, up: bool) -> str:
    """Write an end of a range with two digits, which is more than an estimate has, and never further in."""
    step = 10.0 ** (math.floor(math.log10(ms)) - 1)
    return f"{(math.ceil if up else math.floor)(ms / step) * step:,.10g}"


def estimate(
    works: Sequence[Work], board: Board, runtime: Runtime, arena_bytes: int | None = None
) -> Estimate | Unknown:
    """Estimate the latency of an int8 network on one core of a board.

    An operator costs its multiply-accumulates times the cycles that its kind takes on this core with such kernels, or
    its elements times those on record; a call; and from serial flash, its code and weights times the cycles a byte.
    Where it cannot be said within a factor of three, it is not said.

    Args:
        works: the operators of the artifact.
        board: where it runs.
        runtime: what runs it; only measurements with the same kernels are used.
        arena_bytes: its arena; one that internal RAM cannot hold lies where no measurement here is of.
    """
    known = measurements()
    found = unfit(works, board, arena_bytes) or calibration_of(board, runtime)
    if isinstance(found, str):
        return Unknown(found)
    why = unknown_platform(board, known)
    if why is not None:
        return Unknown(why)
    platform = platform_on(board, runtime, known)
    return summed(works, terms([layer(work) for work in works], platform, known), found, platform)


def is_bounded(shape: Shape) -> bool:
    """Say whether a shape has a size that a board may hold."""
    return all(size >= 0 for size in shape) and prod(shape) < LARGEST


def unfit(works: Sequence[Work], board: Board, arena_bytes: int | None) -> str | None:
    """Say why no measurement tells of such a network; None where they may."""
    odd = next((work for work in works if not all(map(is_bounded, (*work.inputs, work.output)))), None)
    if not works or odd is not None:
        return f"the shapes of {odd.where} are open, or beyond any board" if odd else "there is no operator"
    for work in works:
        if (work.values in ("float32", "float16", "int16") and work.operator not in CONVERTING) or (
            work.weights not in (None, "int8")
        ):
            return f"public measurements are of int8 networks, and {work.where} has {work.weights or work.values}"
        if work.macs is None:
            return f"nothing counts the multiply-accumulates of {work.where}"
    total = sum(work.macs or 0 for work in works)
    others = [work for work in works if work.macs and work.operator not in CALIBRATED]
    if sum(work.macs or 0 for work in others) > UNCALIBRATED_SHARE * total:
        most = max(others, key=lambda work: work.macs or 0)
        return f"no public measurement is of {most.operator}, which has {(most.macs or 0) / total:.0%} of the MACs"
    internal = [bank.bytes for bank in board.ram if not bank.external]
    if not internal or (arena_bytes is not None and arena_bytes > max(internal)):
        return "the arena lies in external RAM, where public measurements are too few"
    return None


def calibration_of(board: Board, runtime: Runtime) -> Calibration | str:
    """Calibrate a core with such kernels; or say why no measurement tells of it, or not closely enough."""
    if runtime.kind != "tflm":
        return f"no public measurement is of {runtime.title}; `tinyc bench` measures there"
    if runtime.kernels is None:
        return f"no source tells the kernels of {runtime.title}"
    if board.dsp is False and EXTENSIONS.get(board.core) == "dsp":
        return f"{board.title} has no DSP instructions, which other boards with its core were measured with"
    found = calibrate(family(board.core, runtime.kernels), board.core)
    if found is None:
        which = f"{board.core} with {runtime.kernels} kernels"
        return f"fewer than {FEWEST_NETWORKS} networks have public measurements on {which}"
    if found.factor > WIDEST:
        return (
            f"public measurements on {board.core} with {runtime.kernels} kernels tell it to a factor of "
            f"{found.factor:.1f}, and what they do not tell to a factor of {WIDEST:g} is not shown"
        )
    return found


def unknown_platform(board: Board, known: Measurements) -> str | None:
    """Say what is not known of a board that an estimate needs; None where all is."""
    if board.clock_mhz is None:
        return f"no source tells the clock of {board.title}"
    if board.flash_kind is None:
        return f"no source tells whether {board.title} reads weights over a serial bus"
    if board.flash_kind == "serial" and flash_of(board.core, known) is None:
        return f"no source tells how fast {board.title} reads weights from its serial flash"
    return None


def platform_on(board: Board, runtime: Runtime, known: Measurements) -> Platform:
    """Say what the operators run on."""
    flash = flash_of(board.core, known) if board.flash_kind == "serial" else None
    return Platform(board.core, runtime.kernels or "reference", (board.clock_mhz or 0) * 1e6, flash)


def summed(
    works: Sequence[Work], reckoned: Sequence[Terms], calibration: Calibration, platform: Platform
) -> Estimate | Unknown:
    """Add the operators up, and widen the range by what is not known of single ones."""
    multiplied = [calibration.cycles[KINDS.index(each.kind)] * each.macs if each.kind else 0.0 for each in reckoned]
    in_ms = 1000 / platform.hertz
    rows = [(cycles + each.middle) * in_ms for cycles, each in zip(multiplied, reckoned, strict=True)]
    middle = sum(rows)
    low = calibration.low * in_ms * (sum(multiplied) + sum(each.low for each in reckoned))
    high = calibration.high * in_ms * (sum(multiplied) + sum(each.high for each in reckoned))
    if high > WIDEST * low:
        return Unknown(uncertain(works, reckoned))
    operators = tuple(
        OperatorLatency(work.where, work.operator, ms, ms / middle) for work, ms in zip(works, rows, strict=True)
    )
    return Estimate(low, middle, high, operators, calibrated_on(calibration, platform))


def uncertain(works: Sequence[Work], reckoned: Sequence[Terms]) -> str:
    """Name the operators whose cost is least certain."""
    spread: dict[str, float] = {}
    for work, each in zip(works, reckoned, strict=True):
        spread[work.operator] = spread.get(work.operator, 0.0) + each.high - each.low
    named = sorted((name for name in spread if spread[name] > 0), key=lambda name: -spread[name])[:NAMED]
    known = measurements()
    missing = [name for name in named if is_without_figure(name, known)]
    said = "of which there is no public figure" if missing else "of which public figures differ"
    return f"too much of it is {', '.join(missing or named)}, {said}"


def calibrated_on(calibration: Calibration, platform: Platform) -> str:
    """Say what an estimate was fitted to, with the sources."""
    setups = {point.setup.name: point.setup for point in calibration.points}
    networks = len({point.network for point in calibration.points})
    listed = "; ".join(f"{setup.title}: {setup.source.split(', ')[0]}" for setup in setups.values())
    return (
        f"an estimate fitted to {len(calibration.points)} public measurements of {networks} networks on "
        f"{platform.core} with {platform.kernels} kernels: {listed}"
    )
