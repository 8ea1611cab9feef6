"""Learning rates by step."""

from __future__ import annotations

import numpy as np
import pytest

from tinyc.spec.training import FitOptions
from tinyc.training.schedule import learning_rates


def test_cosine_falls_from_the_rate_to_nearly_zero() -> None:
    rates = learning_rates(FitOptions(learning_rate=0.1), 100)
    assert rates[0] == pytest.approx(0.1)
    assert rates[50] == pytest.approx(0.05)
    assert 0 < rates[-1] < 0.001
    assert (np.diff(rates) < 0).all()


def test_warm_up_climbs_and_hands_over() -> None:
    rates = learning_rates(FitOptions(learning_rate=0.1, warmup=0.2, schedule="constant"), 50)
    assert (np.diff(rates[:11]) > 0).all()
    assert rates[:10].max() < 0.1
    assert rates[10:] == pytest.approx(0.1)


def test_step_divides_by_ten_twice() -> None:
    rates = learning_rates(FitOptions(learning_rate=1.0, schedule="step"), 100)
    assert [rates[index] for index in (0, 49, 50, 74, 75, 99)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("schedule", ["cosine", "constant", "step"])
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_few_steps_have_a_rate_each(schedule: str, steps: int) -> None:
    assert len(learning_rates(FitOptions(schedule=schedule, warmup=0.5), steps)) == steps
