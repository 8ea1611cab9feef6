"""What a state weighs and how accurate it is, as plain values; and the scores behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.spec.bounds import Basis

Runtime = Literal["keras", "tflite-runtime", "tflm"]


@dataclass(frozen=True)
class Ledger:
    """The figures of one state; bytes and counts as integers, accuracies as fractions, None where unmeasured.

    `per_class` is the recall of each class by its name. `sensor_bytes_per_second` is what the sensor makes and
    `sent_bytes_per_second` what is left of it after inference, at one byte a decision. `recordings` counts those that
    the intervals resample, None where they resample examples. `uncounted` names the operators whose multiplications
    nobody counted; where there is one, `macs` is None.
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
    sensor_bytes_per_second: float | None = None
    sent_bytes_per_second: float | None = None
    recordings: int | None = None
    uncounted: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the table of report.json, with the empty `predicted` of schema 1 (docs/report.md)."""
        return {**asdict(self), "predicted": [], "uncounted": list(self.uncounted)}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Ledger:
        fields = {name: value for name, value in table.items() if name != "predicted"}
        return cls(**{**fields, "uncounted": tuple(table.get("uncounted", ()))})


@dataclass(frozen=True)
class Latency:
    """How long an artifact takes on a board, in seconds; all None where neither measurement nor estimate is there.

    `seconds` is what a bound is judged on: the median of a measurement, or the slow end of an estimate. `low` and
    `high` are percentiles of the measurement (5th, 95th), or the ends of the estimate. `says` tells which.
    """

    says: str
    basis: Basis = "measured"
    seconds: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measurement:
    """A state's ledger with what it was read from, so that two states can be compared example by example.

    Attributes:
        ledger: the figures.
        scores: what the network gave for each test example, (examples, classes) float32: logits, or probabilities.
        labels: the true classes, (examples,) int64.
        recordings: the recording that each test example was cut from, (examples,); None where each stands for itself.
        latency: on the recipe's board; None where the recipe names none.
    """

    ledger: Ledger
    scores: NDArray[Any]
    labels: NDArray[np.int64]
    recordings: NDArray[Any] | None = None
    latency: Latency | None = None

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The class with the highest score, the first of equals, (examples,)."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each example was classified right, (examples,)."""
        return np.asarray(self.predicted == self.labels)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """How often each true class (row) was taken for each class (column)."""
        classes = self.scores.shape[1]
        counts = np.bincount(self.labels * classes + self.predicted, minlength=classes * classes)
        return counts.reshape(classes, classes).astype(np.int64)
