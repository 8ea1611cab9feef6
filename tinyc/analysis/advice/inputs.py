"""The scale of the examples as the first layers with weights see them: whether it suits, and which scale would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tinyc.analysis.advice.remarks import Change
from tinyc.spec.amounts import FIT, Amount

LARGEST, LEAST_SPREAD = 100.0, 0.02
"""Beyond these a training hardly moves: values over a hundred, or all within two hundredths."""
COMMON_LARGEST, COMMON_SPREAD = 10.0, 0.5
BYTE = 255.0


@dataclass(frozen=True)
class Seen:
    """What the first layers with weights see: the layer that sees most or least suitably, and nearly all its values."""

    layer: str
    low: float
    high: float

    @property
    def largest(self) -> float:
        return max(-self.low, self.high)

    @property
    def spread(self) -> float:
        return self.high - self.low

    @property
    def suits(self) -> bool:
        """Say whether a training can begin with such values."""
        return self.largest <= LARGEST and self.spread >= LEAST_SPREAD

    @property
    def is_common(self) -> bool:
        """Say whether the values lie as most networks are trained on."""
        return self.largest <= COMMON_LARGEST and self.spread >= COMMON_SPREAD


@dataclass(frozen=True)
class Scaled:
    """A scale and an offset as `[data]` takes them, what would be seen, and how many training examples come out right.

    `right` is None where the weights were not made for the network before it was measured.
    """

    scale: Amount
    offset: Amount
    seen: Seen
    right: int | None = None


@dataclass(frozen=True)
class Raw:
    """The values of the raw examples: nearly all lie from `low` to `high`."""

    low: float
    high: float
    is_bytes: bool


def scalings(raw: Raw) -> Iterator[tuple[Amount, Amount]]:
    """Scales and offsets that may be meant, the likeliest first: none, those of images, those fitted."""
    yield 1.0, 0.0
    if raw.is_bytes or (raw.low >= 0 and LARGEST < raw.high <= BYTE):
        yield 1 / BYTE, 0.0
        yield 2 / BYTE, -1.0
    if raw.high > raw.low:
        yield FIT, FIT


def better(seen: Seen, others: Iterable[Scaled]) -> Scaled | None:
    """Return the first scale under which a training can begin, where it hardly can as it is."""
    return None if seen.suits else next((each for each in others if each.right is None and each.seen.is_common), None)


def changes(other: Scaled, scale: Amount, offset: Amount) -> tuple[Change, ...]:
    """Return the keys of `[data]` that give another scale than that of now; one that is fitted fits its offset too."""
    if other.scale == FIT:
        return (Change("set", "data.scale", FIT), *((Change("set", "data.offset"),) if offset != 0 else ()))
    wanted = (("data.scale", other.scale, scale), ("data.offset", other.offset, offset))
    return tuple(Change("set", key, value) for key, value, now in wanted if value != now)


def sees(seen: Seen) -> str:
    """Say what is seen."""
    return f"layer {seen.layer!r} sees values of {seen.low:.4g} to {seen.high:.4g}"


def unscaled(seen: Seen) -> str:
    """Say what is seen where it hardly can be trained on."""
    return f"{sees(seen)}, and most networks train within about -1 to 1"
