"""What is called memory: an interval above 0.5 that cannot be mere difference, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyc.analysis.attack.membership_split import MembershipSplit
from tinyc.analysis.attack.record import Found, Name
from tinyc.analysis.attack.scored import Figure
from tinyc.analysis.attack.wording import verdict
from tinyc.data.dataset import Split

NOTHING = Split(np.zeros((0, 1)), np.zeros(0, np.int64), np.zeros(0, np.int64))
ABOVE, AROUND, BELOW = (0.6, 0.7, 0.8), (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def found(name: Name, limits: Any) -> Found:
    return Found(name, Figure(limits[1], limits[0], limits[2]), Figure(0.0, None, None), None, None)


@pytest.mark.parametrize(
    ("unit", "figures", "said"),
    [
        (None, {"loss": ABOVE}, "tells which examples it was trained on: the interval of the loss"),
        (None, {"loss": ABOVE, "control": AROUND}, "tells which examples"),
        (None, {"loss": ABOVE, "control": ABOVE}, "the control lies above 0.5 too"),
        (None, {"loss": ABOVE, "lira": AROUND}, "Undecided: the interval of the loss threshold lies above"),
        (None, {"loss": AROUND, "lira": ABOVE}, "interval of LiRA lies above"),
        ("subject", {"loss": ABOVE}, "they are different values of 'subject'"),
        ("subject", {"loss": ABOVE, "lira": ABOVE}, "tells which subjects"),
        (None, {"loss": AROUND}, "the loss threshold contains 0.5"),
        (None, {"loss": AROUND, "lira": AROUND}, "LiRA contains 0.5"),
        (None, {"loss": BELOW}, "lies below 0.5"),
        ("subject", {"loss": (None, 0.7, None)}, "Undecided: of a single recording"),
    ],
)
def test_the_verdict(unit: str | None, figures: dict[Name, Any], said: str) -> None:
    sides = MembershipSplit(NOTHING, NOTHING, unit, "recording" if unit else None, (2, 2))
    assert said in verdict(tuple(found(name, limits) for name, limits in figures.items()), sides)
