"""The geometry of the page's two charts, in per cent of their width: bytes on a log scale, accuracy with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tinyc.core import units
from tinyc.report.figures import factor, signed
from tinyc.report.record import Report
from tinyc.report.tables import changes, states
from tinyc.report.views import Views

NICE_STEPS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
# Labels that begin closer than this, in per cent of the width, would touch.
LABELS_APART = 17
MOST_TICKS = 6
FEWEST_TICKS = 3
BINARY = {name: size for name, size in units.BYTES.items() if name in ("B", "KiB", "MiB", "GiB")}


@dataclass(frozen=True)
class Tick:
    """A place on the axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """A state's file: solid from 0 to `kept`; `lost` to `kept` is what the pass took away (or added)."""

    name: str
    kept: float | None
    before: float | None
    gzip: float | None
    text: str
    note: str


@dataclass(frozen=True)
class Dot:
    """A state's accuracy at `at`, with its interval from `low` to `high`."""

    name: str
    at: float | None
    low: float | None
    high: float | None
    text: str
    note: str


@dataclass(frozen=True)
class SizeChart:
    """The bars; `grew` says that a pass made the file larger."""

    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    grew: bool


@dataclass(frozen=True)
class AccuracyChart:
    """`source` is where the dashed line of the source's accuracy stands."""

    ticks: tuple[Tick, ...]
    dots: tuple[Dot, ...]
    source: float | None


def size(report: Report) -> SizeChart | None:
    """Lay out the file size of every state on a log scale (sizes differ a thousandfold); None where none is known."""
    ledgers = [state.ledger for state in states(report)]
    known = [b for ledger in ledgers for b in (ledger.file_bytes, ledger.gzip_bytes) if b]
    if not known:
        return None
    # A factor of two below the smallest, so that the smallest still is a bar.
    low, high = math.log10(min(known) / 2), math.log10(max(known) * 1.05)

    def place(value: int | None) -> float | None:
        return round((math.log10(value) - low) / (high - low) * 100, 2) if value else None

    bars = []
    previous: int | None = None
    for state in states(report):
        now = state.ledger.file_bytes
        text, note = units.show(now, "bytes"), factor(previous, now)
        bars.append(Bar(state.name, place(now), place(previous), place(state.ledger.gzip_bytes), text, note))
        previous = now or previous
    grew = any(bar.kept and bar.before and bar.kept > bar.before for bar in bars)
    return SizeChart(_decades(low, high), tuple(bars), grew)


def _decades(low: float, high: float) -> tuple[Tick, ...]:
    """Mark 1, 10 and 100 of every unit; where that gives too few ticks, digits between them too."""
    for digits in ((1,), (1, 2, 5), range(1, 10)):
        marks = [
            (math.log10(size * digit * 10**power), f"{digit * 10**power} {name}")
            for name, size in BINARY.items()
            for power in range(3)
            for digit in digits
        ]
        inside = [(at, text) for at, text in marks if low <= at <= high]
        if len(inside) >= FEWEST_TICKS:
            break
    ticks = (Tick(round((at - low) / (high - low) * 100, 2), text) for at, text in sorted(inside))
    return tuple(without_overlaps(ticks))


def without_overlaps(ticks: Iterable[Tick]) -> Iterator[Tick]:
    """Leave out the ticks whose labels would touch the one before."""
    free = 0.0
    for tick in ticks:
        if tick.at >= free:
            free = tick.at + LABELS_APART
            yield tick


def accuracy(report: Report, views: Views) -> AccuracyChart | None:
    """Lay out the metric of every state with its interval on a linear scale that need not begin at zero."""
    ledgers = [state.ledger for state in states(report)]
    known = [
        v for ledger in ledgers for v in (ledger.accuracy, ledger.accuracy_low, ledger.accuracy_high) if v is not None
    ]
    if not known:
        return None
    margin = max((max(known) - min(known)) * 0.08, 0.002)
    low, high = max(min(known) - margin, 0.0), min(max(known) + margin, 1.0)

    def place(value: float | None) -> float | None:
        return None if value is None else round((value - low) / (high - low) * 100, 2)

    notes = ["", *(signed(changes(step, views)[0].value, "pp") for step in report.steps)]
    dots = tuple(
        Dot(
            state.name,
            place(state.ledger.accuracy),
            place(state.ledger.accuracy_low),
            place(state.ledger.accuracy_high),
            units.show(state.ledger.accuracy, "fraction"),
            note,
        )
        for state, note in zip(states(report), notes, strict=True)
    )
    return AccuracyChart(_steps(low, high), dots, place(report.source.accuracy))


def _steps(low: float, high: float) -> tuple[Tick, ...]:
    step = next((step for step in NICE_STEPS if (high - low) / step <= MOST_TICKS), NICE_STEPS[-1])
    digits = 0 if step >= 0.01 else 1 if step >= 0.001 else 2
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(
        Tick(round((number * step - low) / (high - low) * 100, 2), f"{number * step * 100:.{digits}f} %")
        for number in range(first, last + 1)
    )
