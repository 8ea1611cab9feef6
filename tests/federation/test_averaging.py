"""Averages and the server's step are what their papers say, on answers that are worked out by hand here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import clients, faking

from tinyc.federation.rounds import requests
from tinyc.federation.server.averaging import average
from tinyc.federation.updates import Answer, Updates
from tinyc.spec.answers import drawn_clients, needed


def shifts(**keys: Any) -> dict[str, float]:
    """Three rounds of clients that add 1, 2, ... to the weights, with as many examples; gives the first weight."""
    finished = faking.run(clients.options(engine="process", **keys), 5)
    return {name: float(array.flat[0]) for name, array in finished.weights.items()}


def test_fedavg_weighs_by_examples():
    mean = np.average([1, 2, 3, 4, 5], weights=[1, 2, 3, 4, 5])
    assert shifts(rounds=1)["a/kernel"] == pytest.approx(1 + 0.1 * mean)


def test_client_level_privacy_weighs_all_the_same():
    private = {"level": "client", "clip": 1.0, "noise": 1.0, "delta": 1e-3}
    answers = tuple(
        Answer(f"c{count}", b"", count, 0.5, {}, {"w": np.array([count], np.float32)}) for count in (1, 2, 6)
    )
    updates = Updates(1, answers[0].weights, answers[0].weights, answers)
    assert average(updates, clients.options(privacy=private)).together["w"] == pytest.approx(3)
    assert average(updates, clients.options()).together["w"] == pytest.approx(41 / 9)


def test_fedprox_tells_nothing_else_to_the_server():
    assert shifts(rounds=2, strategy="fedprox") == shifts(rounds=2)


def test_fedadam_is_the_papers():
    """Reddi et al. 2021, algorithm 2, with the bias correction that Flower adds."""
    weight, first, second = 1.0, 0.0, 0.0
    for round in (1, 2, 3):
        change = 0.1 * float(np.average([1, 2, 3, 4, 5], weights=[1, 2, 3, 4, 5]))
        first, second = 0.9 * first + 0.1 * change, 0.99 * second + 0.01 * change**2
        rate = 0.05 * np.sqrt(1 - 0.99 ** (round + 1)) / (1 - 0.9 ** (round + 1))
        weight += rate * first / (np.sqrt(second) + 1e-3)
    found = shifts(rounds=3, strategy="fedadam", server_learning_rate=0.05)
    assert found["a/kernel"] == pytest.approx(weight, rel=1e-5)


def test_trimmed_mean_leaves_out_both_ends_also_under_fedadam():
    robust: dict[str, Any] = {"aggregation": "trimmed_mean", "trim": 0.4, "rounds": 1}
    assert shifts(**robust)["a/kernel"] == pytest.approx(1.3)
    far = {"strategy": "fedadam", "server_learning_rate": 1.0, **robust}
    first, second = 0.1 * 0.3, 0.01 * 0.3**2
    expected = 1 + np.sqrt(1 - 0.99**2) / (1 - 0.9**2) * first / (np.sqrt(second) + 1e-3)
    assert shifts(**far)["a/kernel"] == pytest.approx(expected, rel=1e-5)


def test_krum_takes_one_of_the_crowd():
    found = shifts(aggregation="krum", malicious=1, rounds=1)["a/kernel"]
    assert found in [pytest.approx(1 + 0.1 * step) for step in (2, 3, 4)]


def test_robust_aggregations_say_how_many_they_need():
    given = {
        "plain": clients.options(min_clients=2),
        "trim 0.2": clients.options(aggregation="trimmed_mean", trim=0.2),
        "trim 0.3": clients.options(aggregation="trimmed_mean", trim=0.3),
        "krum": clients.options(aggregation="krum", malicious=2),
    }
    found = {name: needed(each) for name, each in given.items()}
    assert found == {"plain": 2, "trim 0.2": 5, "trim 0.3": 4, "krum": 7}


def test_the_draw_is_by_seed_and_round_alone():
    names = [f"client-{index}" for index in range(20)]
    one = requests.drawn(names, 6, seed=4, round=2)
    assert one == requests.drawn(reversed(names), 6, seed=4, round=2)
    assert len(set(one)) == 6
    assert one != requests.drawn(names, 6, seed=4, round=3)
    assert one != requests.drawn(names, 6, seed=5, round=2)
    without = [name for name in names if name != one[0]]
    assert one[1:] == requests.drawn(without, 6, seed=4, round=2)[:5]


def test_every_client_is_drawn_as_often():
    names = [f"client-{index}" for index in range(10)]
    counts = dict.fromkeys(names, 0)
    for round in range(1, 2001):
        for name in requests.drawn(names, 3, 7, round):
            counts[name] += 1
    assert all(abs(count - 600) < 5 * np.sqrt(2000 * 0.3 * 0.7) for count in counts.values()), counts


def test_how_many_are_drawn():
    assert drawn_clients(clients.options(fraction=0.29, min_clients=1), 100) == 29
    assert drawn_clients(clients.options(fraction=0.1, min_clients=3), 10) == 3
    assert drawn_clients(clients.options(fraction=1.0), 7) == 7
