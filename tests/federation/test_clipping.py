"""Client-level privacy: what a client can move is bounded, the noise is the accountant's, and the budget stops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import clients

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import exchange
from tinyc.federation.flower.averaging import fedadam
from tinyc.federation.privacy.clipping import Clipping, clipping, noisy_mean
from tinyc.federation.rounds.server import Server
from tinyc.federation.updates import Answer, Rejected, Update, Updates
from tinyc.training.private import client_budget
from tinyc.training.private.accounting import spent
from tinyc.training.private.client_budget import Budget

START = {"kernel": np.full((40, 50), 0.5, np.float32), "bias": np.zeros(50, np.float32)}


def options(**keys: Any) -> Any:
    privacy = {"level": "client", "clip": 2.0, "noise": 1.0, "delta": 1e-3} | keys.pop("privacy", {})
    return clients.options(clients=8, privacy=privacy, **keys)


def size(arrays: Any) -> float:
    return float(np.sqrt(sum((np.asarray(each, np.float64) ** 2).sum() for each in arrays.values())))


def apart(one: Any, other: Any) -> dict[str, Any]:
    return {name: one[name].astype(np.float64) - other[name] for name in one}


def moved(by: float) -> dict[str, Any]:
    return {name: (each + np.float32(by)).astype(np.float32) for name, each in START.items()}


def reply(arrays: Any, examples: int = 10) -> Answer:
    return Answer(f"client-{examples}", b"", examples, 1.0, {}, arrays)


def named(step: Any) -> str:
    """Name a step: a function with its options, or an object that is called."""
    return str(step.func.__name__ if hasattr(step, "func") else type(step).__name__)


def one_round(step: Any, replies: list[Answer], round: int = 1, drawn: int = 8) -> dict[str, Any]:
    silent = tuple(Rejected("silent", "") for _ in range(drawn - len(replies)))
    return dict(step(Updates(round, START, START, tuple(replies), silent)).together)


def mean(seed: int = 5, **keys: Any) -> Any:
    return noisy_mean(options(**keys), 8, seed)


def test_updates_are_cut_and_averaged_over_those_that_were_planned() -> None:
    """A small update stays, a large one is cut to the norm 2, all weigh the same, and six who are silent count."""
    small, large = moved(0.01), moved(3.0)
    strategy = mean(privacy={"noise": 1e-6})
    found = apart(one_round(strategy, [reply(small, 1), reply(large, 1000)]), START)
    direction = apart(large, START)
    expected = {name: (0.01 + direction[name] * 2.0 / size(direction)) / 8 for name in START}
    assert size(apart(found, expected)) < 1e-4
    assert size(found) < (size(apart(small, START)) + 2.0) / 8 + 1e-4


def test_one_client_moves_the_sum_by_no_more_than_the_clip() -> None:
    replies = [reply(moved(by)) for by in (0.5, -3.0, 0.1)]
    whole = one_round(mean(), replies)
    without = one_round(mean(), [reply(moved(by)) for by in (-3.0, 0.1)])
    assert size(apart(whole, without)) * 8 == pytest.approx(2.0, rel=1e-3)


def test_the_noise_is_what_is_accounted_for_and_comes_from_the_seed() -> None:
    """Deviation noise x clip / clients planned, also where one alone answers; another round, another noise."""
    replies = [START]
    first, again, later, other = (
        apart(one_round(mean(seed), [reply(each) for each in replies], round), START)
        for seed, round in ((5, 1), (5, 1), (5, 2), (6, 1))
    )
    assert first["kernel"].std() == pytest.approx(1.0 * 2.0 / 8, rel=0.05)
    assert (first["kernel"] == again["kernel"]).all()
    for each in (later, other):
        assert abs(np.corrcoef(first["kernel"].ravel(), each["kernel"].ravel())[0, 1]) < 0.1


def test_the_servers_step_and_the_structure_come_behind_the_noise() -> None:
    chosen = options(strategy="fedadam")
    steps = exchange.at_server(Server(chosen, 5, clients.job(), START, 8))
    assert [named(each) for each in steps] == ["check_arrays", "enough", "NoisyMean", "fedadam", "restore_structure"]


def test_fedadam_takes_its_step_on_the_noisy_mean_and_remembers_it() -> None:
    noisy = mean()(Updates(1, START, START, (reply(moved(0.01)),), ()))
    stepped = fedadam(noisy, 0.1)
    found = apart(stepped.together, START)
    assert 0 < np.abs(found["kernel"]).max() < 0.2
    change = apart(noisy.together, START)["kernel"]
    np.testing.assert_allclose(stepped.memory["m_t"]["kernel"], 0.1 * change, atol=1e-6)
    np.testing.assert_allclose(stepped.memory["v_t"]["kernel"], 0.01 * change**2, atol=1e-6)


def test_another_number_than_was_planned_voids_what_is_counted() -> None:
    with pytest.raises(MachineError, match="3 clients were drawn, and epsilon counts on 4"):
        one_round(mean(fraction=0.5), [reply(START)], drawn=3)
    one_round(mean(), [reply(START)], drawn=7)  # where all take part, one who is absent adds nothing


def test_the_budget_tells_epsilon_and_stops() -> None:
    budget = Budget(options(rounds=10, privacy={"noise": 3.0, "epsilon": 2.0}), 8)
    allowed = client_budget.planned(budget.options, 8).times
    assert 0 < allowed < 10
    assert budget.before_round(allowed) is None
    assert "the privacy budget is spent" in str(budget.before_round(allowed + 1))
    assert budget.epsilon_after(allowed) <= 2.0 < budget.epsilon_after(allowed + 1)
    facts = budget.facts(allowed)
    assert facts["rounds_allowed"] == allowed
    assert facts["sampling"] == "all"
    assert any("must be trusted" in each for each in facts["conditions"])


def test_noise_is_chosen_for_all_rounds() -> None:
    chosen = options(rounds=10, privacy={"noise": None, "epsilon": 5.0})
    noise = client_budget.noise_for_job(chosen, 8)
    assert spent(noise, client_budget.schedule_of(chosen, 8)) <= 5.0
    assert Budget(chosen, 8).before_round(10) is None


def test_a_client_clips_before_anything_leaves() -> None:
    job = clients.job(privacy={"clip": 2.0, "noise": 1.0, "delta": 1e-3, "where": "client"})
    (step,) = exchange.at_client(job)
    assert step == clipping(job)
    sent = step(Update("one", 1, START, moved(3.0), 5)).weights
    assert size(apart(sent, START)) == pytest.approx(2.0, rel=1e-4)
    assert exchange.at_client(clients.job(privacy={"clip": 2.0, "noise": 1.0, "delta": 1e-3})) == ()
    assert exchange.at_client(clients.job()) == ()


def test_shares_of_the_noise_add_up_to_the_whole() -> None:
    """Eight clients that did not move: their sum has the deviation noise x clip, and no two shares are alike."""
    chosen = options(aggregation="homomorphic", privacy={"where": "client"})
    share = client_budget.noise_for_job(chosen, 8)
    assert share == pytest.approx(1.0 / np.sqrt(8))
    step = Clipping(2.0, share * 2.0, 5)
    sent = [step(Update(f"c{index}", 1, START, START, 5)).weights["kernel"] - 0.5 for index in range(8)]
    assert np.sum(sent, axis=0).std() == pytest.approx(2.0, rel=0.05)
    assert abs(np.corrcoef(sent[0].ravel(), sent[1].ravel())[0, 1]) < 0.1
    assert client_budget.answers_needed(chosen, 8) == 8
    assert client_budget.answers_needed(options(), 8) == 2


def test_a_server_that_sees_no_update_is_not_asked_to_add_noise() -> None:
    chosen = options(aggregation="homomorphic", privacy={"where": "client"})
    with pytest.raises(UserError, match="cannot add noise under aggregation = 'homomorphic'"):
        noisy_mean(chosen, 8, 5)


def test_among_real_terminals_noise_comes_from_the_system() -> None:
    """They know the seed, so that it must not give the noise away."""
    one, other = (one_round(mean(engine="deployment"), [reply(START)])["kernel"] for _ in range(2))
    assert (one != other).any()
    said = " ".join(Budget(options(engine="deployment"), 8).facts(1)["conditions"])
    assert "operating system" in said
