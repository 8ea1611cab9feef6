"""Calibration examples that do not stand for the data, and ranges that clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyc.analysis.diagnosis.figures import Figures
from tinyc.analysis.diagnosis.findings import Cause, noise, worst
from tinyc.analysis.diagnosis.layers import INPUT
from tinyc.analysis.diagnosis.remedies import Change, lines, spelled

# Noise to signal by clipping: below it no range is said to clip.
CLIPPED = 2e-3
APART = 4.0
REACH = 1.5
WIDE = 2.0
FEW = 100
ENOUGH = 500
MISSING = 1e-3


@dataclass(frozen=True)
class Calibrated:
    """The calibration examples that `quantize` took, and what kept them from being more.

    Attributes:
        counts: how many of each class.
        classes: the classes that validation has.
        set_aside: the examples that `[data] calibration` leaves to be taken.
        asked: the most that `quantize` takes of those.
        train: all training examples, of the classes `trained`.
    """

    counts: Mapping[str, int]
    classes: tuple[str, ...]
    set_aside: int
    asked: int
    train: int
    trained: tuple[str, ...]

    @property
    def examples(self) -> int:
        return sum(self.counts.values())

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in self.classes if not self.counts.get(name))

    @property
    def bound(self) -> str:
        """Say what kept the examples from being more."""
        if self.examples < self.set_aside:
            return f"the calibration of quantize is {self.examples}"
        return "train has no more" if self.set_aside >= self.train else f"[data] calibration is {self.set_aside}"

    def more(self) -> tuple[str, ...]:
        """Return the recipe's line for enough examples; none where they are enough, or train has no more."""
        enough = min(self.train, max(ENOUGH, len(self.classes)))
        if self.examples >= enough:
            return ()
        short = self.set_aside < enough, self.asked < enough
        places = (spelled("data.calibration", enough), spelled("calibration", enough))
        return (" with ".join(place for place, is_short in zip(places, short, strict=True) if is_short),)


def calibration(layers: Sequence[Figures], calibrated: Calibrated) -> Iterator[Cause]:
    """Yield at most one cause: what is wrong with the examples, where ranges fit them and not the data."""
    beyond = worst((each.clipped[0], each) for each in layers if is_unforeseen(each))
    given = next((each for each in layers if each.op == INPUT), None)
    wider = given is not None and reach(given.calibrated) >= WIDE * reach(given.seen) > 0
    if not beyond and not wider and not calibrated.missing:
        return
    more = calibrated.more()
    facts = f"{calibrated.examples} calibration examples"
    size, layer = beyond[0] if beyond else (MISSING * len(calibrated.missing) / max(1, len(calibrated.classes)), None)
    where = layer.layer if layer else (given.layer if given else "input")
    if given is not None and wider:
        evidence = f"calibration reaches {reach(given.calibrated):.4g} at the input, validation {reach(given.seen):.4g}"
        kind, size, where = "calibration of another range", max(size, noise(given.own_db)), given.layer
        more = ()  # no further example makes a range narrower
    elif given is not None and beyond and reach(given.seen) >= REACH * reach(given.calibrated):
        evidence = f"validation reaches {reach(given.seen):.4g} at the input, calibration {reach(given.calibrated):.4g}"
        kind, where = "calibration of another range", given.layer
    elif calibrated.examples < len(calibrated.classes):
        kind, evidence = "calibration too small", f"{facts} for {len(calibrated.classes)} classes; {calibrated.bound}"
    elif calibrated.missing:
        evidence = f"{facts}, with {len(calibrated.missing)} of {len(calibrated.classes)} classes not among them"
        unknown = not set(calibrated.missing) & set(calibrated.trained)
        kind, more = "calibration without classes", () if unknown else more
        evidence += "; train has none of them either" if unknown else f"; {calibrated.bound}"
    elif calibrated.examples < FEW:
        kind, evidence = "calibration too small", f"{facts}; {calibrated.bound}"
    else:
        kind, evidence = "calibration unlike the data", f"{facts}; {calibrated.bound}"
    if layer is not None:
        evidence += f"; {share(layer)}"
    also = tuple(each.layer for _, each in beyond if each.layer != where)
    yield Cause(kind, where, evidence, more, size, also)


def is_unforeseen(each: Figures) -> bool:
    """Say whether the data leave a range that the calibration examples keep to."""
    seen, foreseen = each.clipped
    return seen >= CLIPPED and seen >= APART * foreseen and not each.is_fixed


def clipping(layers: Sequence[Figures], calibrated: Calibrated, options: Mapping[str, Any]) -> Iterator[Cause]:
    """Ranges that clip the calibration examples themselves: a choice of the recipe, or of the training."""
    found = worst(
        (each.clipped[0], each)
        for each in layers
        if each.clipped[0] >= CLIPPED and not is_unforeseen(each) and not each.is_fixed
    )
    if not found:
        return
    size, layer = found[0]
    reached = f"the float network reaches {reach(layer.seen):.4g}"
    evidence = f"{share(layer)}, {reached}; {layer.saturated:.2%} of its integers stand at an end"
    changes: tuple[Change, ...] = (("calibrate", "minmax"), ("activations", "int16"), ("exclude", [layer.layer]))
    if options.get("calibrate") == "percentile" and options.get("percentile", 100) < 99.99:
        changes = (("percentile", 99.99), *changes)
    also = tuple(each.layer for _, each in found[1:])
    yield Cause("saturation", layer.layer, evidence, lines(changes, options), size, also)


def share(layer: Figures) -> str:
    """Say how much of a tensor its range leaves out."""
    low, high = layer.range
    return f"{layer.outside:.2%} of {layer.layer} lies outside its range of {low:.4g} to {high:.4g}"


def reach(ends: tuple[float, float]) -> float:
    """Return the largest absolute value of a range."""
    return max(abs(ends[0]), abs(ends[1]))
