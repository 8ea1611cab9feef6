"""A cause as it is shown: the layer, the evidence, and what to write into the recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tinyc.analysis.diagnosis.figures import Figures
from tinyc.analysis.diagnosis.remedies import caution


@dataclass(frozen=True)
class Cause:
    """One cause of loss.

    Attributes:
        kind: what it is, in two or three words.
        layer: where it is worst; `also` are the other layers that show it.
        evidence: the figures, with units, for people.
        recipe: the lines to add, the likeliest first.
        noise: noise to signal power that it makes there on its own; the measure of the ranking.
    """

    kind: str
    layer: str
    evidence: str
    recipe: tuple[str, ...]
    noise: float
    also: tuple[str, ...] = ()

    @property
    def caution(self) -> str:
        """What must be said with the recipe lines; empty where nothing must."""
        return caution(self.recipe)

    def to_json(self) -> dict[str, Any]:
        also = list(self.also)
        table = {**vars(self), "recipe": list(self.recipe), "noise": round(self.noise, 6), "also": also}
        return table | ({"caution": self.caution} if self.caution else {})


def noise(decibels: float | None) -> float:
    """Noise to signal power of a ratio in dB; what has no signal has no noise."""
    return 0.0 if decibels is None else float(10 ** (-decibels / 10))


def worst(found: Iterable[tuple[float, Figures]]) -> list[tuple[float, Figures]]:
    """Sort layers by the noise that they make, the most first; equal ones in the order of execution."""
    return sorted(found, key=lambda pair: -pair[0])
