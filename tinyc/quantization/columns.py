"""Columns of the input in other units: what one int8 scale for all leaves of the small ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data import scaling
from tinyc.tflite.read.flatbuffer import Description

FEW = 16
"""A column that keeps fewer values than these of 256 has lost most of what it tells."""
SHOWN = 3
FITTED = '[data] scale = "fit"'
RETRAIN = "the network has to be trained on what it then sees"


@dataclass(frozen=True)
class Columns:
    """What the input's one step leaves of each column that changes.

    Attributes:
        step: of the int8 input.
        kept: by column, the values that its span still has: fewer than FEW.
        ratio: how many times the deviations of columns lie apart.
        noise: noise to signal power of the worst column.
    """

    step: float
    kept: Sequence[tuple[int, int]]
    ratio: float
    noise: float

    @property
    def evidence(self) -> str:
        shown = ", ".join(f"column {place} keeps {count} of 256 values" for place, count in self.kept[:SHOWN])
        more = f" and {len(self.kept) - SHOWN} more columns fewer than {FEW}" if len(self.kept) > SHOWN else ""
        return (
            f"columns differ by {self.ratio:,.0f} times, and one step of the int8 input is {self.step:.3g}: "
            f"{shown}{more} (counted from 0)"
        )


def coarse(inputs: NDArray[Any], step: float) -> Columns | None:
    """Look at the columns of a network's inputs, (examples, ..., columns); None where each keeps enough values.

    Args:
        step: the scale of the artifact's int8 input.
    """
    if inputs.ndim < 2 or inputs.shape[-1] < 2:
        return None
    _, deviation = scaling.moments(inputs)
    low, high = scaling.ends(inputs)
    if not scaling.spreads_differ(deviation):
        return None
    changing = np.flatnonzero(deviation > 0)
    counts = np.floor((high - low) / step).astype(int) + 1
    narrow_first = sorted(changing, key=lambda place: float(deviation[place]))
    kept = [(int(place), int(counts[place])) for place in narrow_first if counts[place] < FEW]
    if not kept:
        return None
    ratio = float(deviation[changing].max() / deviation[changing].min())
    noise = min(1.0, step**2 / 12 / float(deviation[kept[0][0]]) ** 2)
    return Columns(step, kept, ratio, noise)


def input_notes(inputs: NDArray[Any], artifact: Description) -> tuple[str, ...]:
    """Say what the int8 input of an artifact leaves of its columns, and what may help; nothing where each is kept.

    Args:
        inputs: as the network sees them, (examples, ..., columns).
    """
    found = in_artifact(inputs, artifact)
    return () if found is None else (f"{found.evidence}; worth trying: {FITTED}; {RETRAIN}",)


def in_artifact(inputs: NDArray[Any], artifact: Description) -> Columns | None:
    """Look at the columns by the scale of an artifact's first input; ids have none."""
    scales = artifact.inputs[0].scales
    return coarse(inputs, float(scales[0])) if len(scales) == 1 else None
