"""The ledger's 95 % intervals against published values and by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyc.measure import intervals


def test_wilson_against_published_values() -> None:
    # Newcombe (1998), Statistics in Medicine 17:857, table I, method 3.
    for successes, examples, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)]:
        assert intervals.wilson(successes, examples) == pytest.approx((low, high), abs=5e-5)


def table(both: int, first: int, second: int, neither: int) -> tuple[Any, Any]:
    cells = [(True, True)] * both + [(True, False)] * first + [(False, True)] * second + [(False, False)] * neither
    left, right = np.array(cells, bool).T
    return left, right


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((14, 5, 0, 22), 0.011, 0.226),  # Altman et al., Statistics with Confidence (2000), table 6.2
        ((1, 1, 7, 12), -0.507, -0.026),  # Bentur et al. (2009), in Fagerland et al. (2014)
    ],
)
def test_paired_differences_against_published_values(counts: tuple[int, ...], low: float, high: float) -> None:
    assert intervals.paired(*table(*counts)) == pytest.approx((low, high), abs=6e-4)


def test_the_paired_interval_covers_nineteen_times_in_twenty() -> None:
    random, hits = np.random.default_rng(0), 0
    for _ in range(400):
        hard = random.random(300)
        first, second = hard + random.normal(0, 0.1, 300) < 0.9, hard + random.normal(0, 0.1, 300) < 0.85
        low, high = intervals.paired(first, second)
        hits += low <= TRUE_DIFFERENCE <= high
    assert 0.92 < hits / 400 < 0.99


RANDOM = np.random.default_rng(1)
DRAWN = RANDOM.random(2_000_000)
TRUE_DIFFERENCE = float(
    np.mean(DRAWN + RANDOM.normal(0, 0.1, len(DRAWN)) < 0.9) - np.mean(DRAWN + RANDOM.normal(0, 0.1, len(DRAWN)) < 0.85)
)


def test_the_bootstrap_of_a_share_is_near_wilson() -> None:
    right = np.arange(400) < 300
    low, high = intervals.bootstrap(lambda weights: weights[right].sum() / weights.sum(), 400)
    assert (low, high) == pytest.approx(intervals.wilson(300, 400), abs=0.01)
