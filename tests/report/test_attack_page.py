"""The page of an attack: an interval has both its ends, or is a dash."""

from __future__ import annotations

import pytest

from tinyc.analysis.attack.scored import Figure
from tinyc.report.attack_page import interval


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(0.5, 0.4321, 0.5678), "0.432..0.568"),
        (Figure(0.5, None, 0.5678), "-"),
        (Figure(0.5, 0.4321, None), "-"),
        (Figure(0.5, None, None), "-"),
    ],
)
def test_an_interval_has_both_its_ends(figure: Figure, text: str) -> None:
    assert interval(figure) == text
