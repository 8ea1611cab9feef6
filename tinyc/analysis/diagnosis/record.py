"""What a diagnosis says, apart from how it is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tinyc.analysis.diagnosis.calibrating import Calibrated
from tinyc.analysis.diagnosis.figures import Figures
from tinyc.analysis.diagnosis.findings import Cause
from tinyc.analysis.diagnosis.untrained import Untrained


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        split: which examples judged, "validation" or "train"; `examples` how many.
        causes: the ranked causes; empty where nothing stands out.
        layers: every compared layer's figures, in the order of execution.
        notes: what a reader must know of the comparison; `alone` are operators without a float counterpart.
        untrained: every layer without weights to train; of an equalized artifact none.
    """

    split: str
    examples: int
    causes: tuple[Cause, ...]
    layers: tuple[Figures, ...]
    calibration: Calibrated
    notes: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    untrained: tuple[Untrained, ...] = ()

    @property
    def lowest(self) -> Figures | None:
        """The layer with the least signal to noise."""
        known = [each for each in self.layers if each.sqnr_db is not None]
        return min(known, key=lambda each: each.sqnr_db or 0.0, default=None)

    def to_json(self) -> dict[str, Any]:
        counts = dict(self.calibration.counts)
        return {
            "split": self.split, "examples": self.examples, "causes": [cause.to_json() for cause in self.causes],
            "calibration": {"examples": self.calibration.examples, "classes": counts}, "notes": list(self.notes),
            "unmatched": list(self.alone), "untrained": [each.to_json() for each in self.untrained],
            "layers": [asdict(each) for each in self.layers],
        }  # fmt: skip
