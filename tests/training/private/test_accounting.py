"""Epsilon against figures computed by hand, in papers and in tutorials; noise that meets a budget, and no more."""

from __future__ import annotations

import math
import sys
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from tinyc.core.errors import MachineError, UserError
from tinyc.spec.privacy import Privacy
from tinyc.training.private import accounting
from tinyc.training.private.accounting import Schedule, clients, examples, plan, spent


def privacy(**keys: Any) -> Privacy:
    return Privacy.model_validate({"clip": 1.0, "delta": 1e-5, **keys})


def delta_of(epsilon: float, shift: float) -> float:
    """Balle and Wang 2018, theorem 8, straight from the paper."""
    phi = NormalDist().cdf
    return phi(shift / 2 - epsilon / shift) - math.exp(epsilon) * phi(-shift / 2 - epsilon / shift)


def by_moments(noise: float, schedule: Schedule) -> float:
    """The conversion that the papers and tutorials of 2016 to 2020 used: rdp + log(1 / delta) / (order - 1)."""
    orders, once = accounting.divergences(noise, schedule.sampling, schedule.units, schedule.drawn)
    return float(np.min(schedule.times * once - math.log(schedule.delta) / (np.asarray(orders) - 1)))


@pytest.mark.parametrize(("noise", "rounds"), [(1.0, 1), (1.0, 10), (4.0, 30)])
def test_with_all_clients_epsilon_is_exact(noise: float, rounds: int) -> None:
    """Rounds compose to one Gaussian whose mean moves by sqrt(rounds) / noise deviations: one clip C, not two."""
    found = spent(noise, clients(7, 7, rounds, 1e-3))
    assert delta_of(found, math.sqrt(rounds) / noise) == pytest.approx(1e-3, rel=1e-5)


def test_where_delta_alone_suffices_epsilon_is_zero() -> None:
    assert spent(1000.0, clients(7, 7, 1, 0.1)) == 0
    assert spent(1.0, clients(7, 7, 10, 0.1), 0) == 0


def test_one_client_in_anothers_place_moves_the_sum_by_two_clips() -> None:
    """N(0, 1) and N(2, 1) are 2 alpha apart, and with one clip it would be alpha / 2."""
    orders, once = accounting.divergences(1.0, "without_replacement", 10, 10)
    assert np.allclose(once, 2 * np.asarray(orders))


def test_sampling_without_replacement_at_order_two_by_hand() -> None:
    """Wang et al. 2019, theorem 27 for alpha = 2: log(1 + q^2 min(4 (e^r - 1), 2 e^r)), r = 4 for noise 1 over 2 C."""
    orders, once = accounting.divergences(1.0, "without_replacement", 1000, 50)
    at_two = once[list(orders).index(2)]
    assert at_two == pytest.approx(math.log1p(0.05**2 * min(4 * math.expm1(4), 2 * math.exp(4))), rel=1e-9)


def test_dp_fedavg_of_a_thousand_clients() -> None:
    """50 of 1000 in 50 rounds: 4.78 needs noise 2, and Poisson's 3.18 would be for another kind of draw."""
    assert spent(2.0, clients(1000, 50, 50, 1e-5)) == pytest.approx(4.777, abs=0.01)
    assert spent(1.0, clients(1000, 50, 50, 1e-5)) == pytest.approx(22.195, abs=0.01)


def test_a_draw_never_costs_more_than_taking_part_always() -> None:
    """Five of seven: the theorem for small samples is loose, and the bound that knows nothing of draws holds."""
    assert spent(1.0, clients(7, 5, 10, 1e-3)) == spent(1.0, clients(7, 7, 10, 1e-3))


@pytest.mark.parametrize(
    ("noise", "schedule", "published"),
    [
        # TensorFlow Privacy's tutorial: MNIST, 60 epochs.
        (1.1, examples(60_000, 256, 60 * 60_000 // 256, 1e-5), 3.0),
        # Abadi et al. 2016, section 5.1: q = 0.01, sigma = 4, 10,000 steps, moments accountant.
        (4.0, examples(60_000, 600, 10_000, 1e-5), 1.26),
    ],
)
def test_published_figures_of_poisson_sampling(noise: float, schedule: Schedule, published: float) -> None:
    """Today's conversion and PLD give less, and not much less."""
    assert by_moments(noise, schedule) == pytest.approx(published, abs=0.05)
    assert 0.7 * published < spent(noise, schedule) < published


def test_pld_is_the_smaller_of_the_bounds() -> None:
    schedule = examples(60_000, 256, 14_062, 1e-5)
    assert spent(1.1, schedule) < accounting.bound(1.1, schedule, 14_062) - 0.1


def test_more_rounds_cost_more_and_more_noise_costs_less() -> None:
    for schedule in (clients(100, 10, 20, 1e-4), clients(10, 10, 20, 1e-4), examples(500, 25, 200, 1e-4)):
        by_rounds = [spent(1.5, schedule, count) for count in (1, 5, 10, 20)]
        by_noise = [spent(noise, schedule) for noise in (1.0, 1.5, 3.0)]
        assert all(one < other for one, other in pairwise(by_rounds))
        assert all(one > other for one, other in pairwise(by_noise))


@pytest.mark.parametrize(
    "schedule", [clients(7, 7, 10, 1e-3), clients(200, 20, 30, 1e-3), examples(500, 25, 200, 1e-3)]
)
def test_the_noise_meets_the_budget_and_is_not_larger_than_it_must_be(schedule: Schedule) -> None:
    chosen = plan(privacy(epsilon=4.0, delta=1e-3), schedule)
    assert chosen.times == schedule.times
    assert chosen.epsilon == spent(chosen.noise, schedule) <= 4.0
    assert spent(0.99 * chosen.noise, schedule) > 4.0


def test_given_noise_stops_at_the_last_step_that_the_budget_allows() -> None:
    schedule = examples(500, 25, 2000, 1e-3)
    chosen = plan(privacy(epsilon=2.0, noise=1.2, delta=1e-3), schedule)
    assert chosen.noise == 1.2
    assert 0 < chosen.times < 2000
    assert spent(1.2, schedule, chosen.times) <= 2.0 < spent(1.2, schedule, chosen.times + 1)


def test_a_budget_that_allows_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"spends .* at once, and epsilon = 0\.1"):
        plan(privacy(epsilon=0.1, noise=0.5), clients(7, 7, 10, 1e-3))


def test_without_the_library_it_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(MachineError, match=r"tinyc\[privacy\]"):
        spent(1.05, examples(501, 25, 10, 1e-3))
