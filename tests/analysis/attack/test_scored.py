"""Areas, advantages and rates against figures by hand, and intervals against how often they hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinyc.analysis.attack.confidences import confidences, losses
from tinyc.analysis.attack.scored import Scored, advantage, at_the_end, auc, difference, threshold, true_rate


def scored(members: list[float], others: list[float]) -> Scored:
    return Scored(np.array(members), np.array(others))


def test_the_area_counts_pairs_and_ties_half() -> None:
    assert auc(scored([3, 2, 1], [2, 0, 0])).value == pytest.approx((3 + 2.5 + 2) / 9)
    assert auc(scored([1, 1], [1, 1])).value == 0.5


def test_delong_by_hand() -> None:
    """Members beat 1, 1/2 and 1 of two others; the others lose to 1 and 2/3: variances of 1/12 / 3 and 1/18 / 2."""
    found = auc(scored([5, 2, 4], [3, 1]))
    assert found.value == pytest.approx(5 / 6)
    assert found.low == pytest.approx(5 / 6 - 1.959964 * math.sqrt(1 / 36 + 1 / 36), abs=1e-6)
    assert found.high == 1.0


def test_intervals_hold_the_truth_about_19_times_in_20() -> None:
    """Scores of N(1, 1) and N(0, 1) have an area of Phi(1 / sqrt 2)."""
    truth = 0.5 * (1 + math.erf(0.5))
    random = np.random.default_rng(2)
    holds = 0
    for _ in range(300):
        found = auc(Scored(random.normal(1, 1, 60), random.normal(0, 1, 80)))
        holds += bool(found.low is not None and found.high is not None and found.low <= truth <= found.high)
    assert 270 <= holds <= 297


def test_recordings_widen_the_interval() -> None:
    """Five windows of a recording are alike: one by one they look like five times the evidence."""
    random = np.random.default_rng(4)
    places = np.repeat(np.arange(20), 5)
    levels = random.normal(size=(2, 20))
    members, others = (level[places] + 0.1 * random.normal(size=100) for level in levels)
    alone = auc(Scored(members, others))
    whole = auc(Scored(members, others, (places, places)))
    assert whole.value == alone.value
    assert (whole.high or 0) - (whole.low or 0) > 1.7 * ((alone.high or 0) - (alone.low or 0))
    assert auc(Scored(members, others, (places * 0, places))).low is None
    assert advantage(Scored(members, others, (places * 0, places)), 0).low is None


def test_a_single_recording_still_has_figures() -> None:
    """Its halves choose the threshold for each other, and no interval is given."""
    one = np.zeros(40)
    found = advantage(Scored(np.full(40, 2.0), np.zeros(40), (one, one)), 3)
    assert found.value == 1.0
    assert (found.low, found.high) == (None, None)


def test_wholly_apart_is_not_certainty() -> None:
    found = auc(scored([5, 6, 7, 8], [1, 2, 3]))
    assert found.value == 1.0
    assert 0.3 < (found.low or 0) < 0.9
    assert at_the_end(0.0, 4, 3)[1] == pytest.approx(1 - (found.low or 0))
    apart = Scored(np.ones(50), np.zeros(50), (np.arange(50) // 5, np.arange(50) // 5))
    assert auc(apart).low == pytest.approx(at_the_end(1.0, 10, 10)[0])


def test_the_advantage_of_noise_is_none_and_of_knowledge_all() -> None:
    random = np.random.default_rng(1)
    noise = advantage(Scored(random.normal(size=300), random.normal(size=300)), 3)
    assert (noise.low or 0) < 0 < (noise.high or 0)
    sure = advantage(Scored(random.normal(9, 1, 300), random.normal(size=300)), 3)
    assert sure.value > 0.97
    assert threshold(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 2.0


def test_thresholds_are_judged_where_they_were_not_chosen() -> None:
    """The best threshold of small noise looks good on its own examples, on average; across halves it does not."""
    random = np.random.default_rng(8)
    found = [advantage(Scored(random.normal(size=20), random.normal(size=20)), seed).value for seed in range(200)]
    assert abs(float(np.mean(found))) < 0.04


def test_newcombe_for_two_shares() -> None:
    """56 of 70 against 48 of 80: Newcombe 1998, "independent proportions", table II, method 10."""
    assert difference(np.arange(70) < 56, np.arange(80) < 48) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_rates_at_few_false_alarms() -> None:
    others = np.arange(100.0)
    members = np.array([98.0, 98.5, 99.5, 10.0])
    assert true_rate(Scored(members, others), 0.01) == 0.5
    assert true_rate(Scored(members, others), 0.001) is None
    assert true_rate(Scored(members, np.full(100, 99.5)), 0.01) == 0.0


def test_confidence_is_the_log_odds_of_the_true_class() -> None:
    logits = np.array([[2.0, 0.0, -1.0], [40.0, 0.0, 0.0], [-900.0, 900.0, 0.0]])
    p = np.exp(logits[0]) / np.exp(logits[0]).sum()
    found = confidences(logits, np.array([0, 0, 0]), softmax=False)
    assert found[0] == pytest.approx(math.log(p[0] / (1 - p[0])))
    assert found[1] == pytest.approx(40 - math.log(2))
    assert found[2] == pytest.approx(-1800)
    assert losses(found)[0] == pytest.approx(-math.log(p[0]))
    assert losses(found)[2] == pytest.approx(1800)


def test_probabilities_that_were_rounded_away_stay_finite() -> None:
    found = confidences(np.array([[0.75, 0.25], [1.0, 0.0], [0.0, 1.0]]), np.array([0, 0, 0]), softmax=True)
    assert found[0] == pytest.approx(math.log(3))
    assert found[1] == pytest.approx(-found[2])
    assert found[1] == pytest.approx(math.log(7))
