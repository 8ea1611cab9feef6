"""What a state weighs and how accurate it is: the one place where test data is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Runtime = Literal["keras", "tflite-runtime", "tflm"]


@dataclass(frozen=True)
class Ledger:
    """The figures of one state; bytes and counts as integers, accuracies as fractions, None where unmeasured.

    `per_class` is the recall of each class by its name. `predicted` names the fields that were
    computed from a formula instead of measured.
    """

    params: int | None
    nonzero_params: int | None
    macs: int | None
    weight_bytes: int | None
    metadata_bytes: int | None
    file_bytes: int | None
    gzip_bytes: int | None
    flash_bytes: int | None
    arena_bytes: int | None
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    per_class: Mapping[str, float]
    metric: str
    examples: int
    runtime: Runtime
    predicted: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "predicted": list(self.predicted)}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Ledger:
        return cls(**{**table, "predicted": tuple(table["predicted"])})
