"""The least total loss within the bytes: against all combinations, and refused where nothing fits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tinyc.compression.clustering import allocation
from tinyc.compression.clustering.allocation import Option, allocate, extreme
from tinyc.core.errors import UserError


def drawn(seed, layers=5):
    random = np.random.default_rng(seed)
    return {
        f"layer{number}": [
            Option(bits, int(random.integers(10, 90)), float(random.random() * 2.0**-bits)) for bits in range(2, 6)
        ]
        for number in range(layers)
    }


@pytest.mark.parametrize("seed", range(8))
def test_as_good_as_trying_everything(seed):
    options = drawn(seed)
    every = [(sum(o.bytes for o in mix), sum(o.loss for o in mix)) for mix in itertools.product(*options.values())]
    least = min(size for size, _ in every)
    for budget in (least, least + 25, least + 100, 10_000):
        chosen = allocate(options, budget)
        assert list(chosen) == list(options)
        assert sum(option.bytes for option in chosen.values()) <= budget
        loss = sum(option.loss for option in chosen.values())
        assert loss == pytest.approx(min(loss for size, loss in every if size <= budget))


def test_thinned_fronts_stay_within_the_budget(monkeypatch):
    options = drawn(3, 12)
    exact = sum(option.loss for option in allocate(options, 500).values())
    monkeypatch.setattr(allocation, "FRONT", 64)
    chosen = allocate(options, 500)
    assert sum(option.bytes for option in chosen.values()) <= 500
    assert exact <= sum(option.loss for option in chosen.values()) < exact * 1.2


def test_too_little_is_refused_with_what_it_takes():
    options = drawn(1)
    least = sum(min(option.bytes for option in choice) for choice in options.values())
    allocate(options, least)
    with pytest.raises(UserError, match=f"at the fewest bits it takes {least} bytes"):
        allocate(options, least - 1)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_taken_lies_between_the_extremes(seed):
    options = drawn(seed)
    least = sum(min(option.bytes for option in choice) for choice in options.values())
    sizes = [sum(one.bytes for one in mix) for mix in itertools.product(*options.values())]
    for budget in (least, least + 40, 10_000):
        fewest, taken, most = (
            sum(option.bytes for option in chosen.values())
            for chosen in (
                extreme(options, budget, "lower"),
                allocate(options, budget),
                extreme(options, budget, "upper"),
            )
        )
        assert fewest == least <= taken <= most == max(size for size in sizes if size <= budget)
