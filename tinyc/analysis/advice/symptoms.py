"""What was measured of a network that is not better than guessing, on training and validation examples alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from tinyc.analysis.advice.inputs import Scaled, Seen


@dataclass(frozen=True)
class Share:
    """How many of some examples came out right."""

    right: int
    examples: int


@dataclass(frozen=True)
class Statistics:
    """Batch normalization: its layers and largest momentum, and the result with its statistics measured again.

    `seen` training examples gave the new statistics; `again` is what came out right of the examples of `held`.
    """

    layers: int
    momentum: float
    seen: int
    held: Share
    again: Share


@dataclass(frozen=True)
class Symptoms:
    """All that was looked at; None where it could not be.

    Attributes:
        train: training examples that are classified correctly.
        validation: validation examples that are classified correctly.
        seen: what the first layers with weights see.
        scalings: other scales of the examples, and what they would give.
        statistics: of batch normalization.
    """

    train: Share
    validation: Share | None = None
    seen: Seen | None = None
    scalings: tuple[Scaled, ...] = ()
    statistics: Statistics | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Symptoms:
        """Read what `to_json` gave."""
        return TypeAdapter(cls).validate_python(table)
