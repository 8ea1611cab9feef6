"""Client-level privacy: what a client can move is bounded, the noise is the accountant's, and the budget stops."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import clients

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import client_privacy, flower, records, strategies
from tinyc.federation.client_privacy import Budget, Clipping, outgoing, wrap
from tinyc.federation.local import Trained
from tinyc.training.private.accounting import spent

START = {"kernel": np.full((40, 50), 0.5, np.float32), "bias": np.zeros(50, np.float32)}


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages want to know whose they are."""
    flower.settle()
    from flwr.supercore.task_identity import TaskIdentity

    for name in ("_run_id", "_node_id", "_task_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


def options(**keys: Any) -> Any:
    privacy = {"level": "client", "clip": 2.0, "noise": 1.0, "delta": 1e-3} | keys.pop("privacy", {})
    return clients.options(clients=8, privacy=privacy, **keys)


def size(arrays: Any) -> float:
    return float(np.sqrt(sum((np.asarray(each, np.float64) ** 2).sum() for each in arrays.values())))


def apart(one: Any, other: Any) -> dict[str, Any]:
    return {name: one[name].astype(np.float64) - other[name] for name in one}


def moved(by: float) -> dict[str, Any]:
    return {name: (each + np.float32(by)).astype(np.float32) for name, each in START.items()}


def reply(arrays: Any, examples: int = 10) -> Any:
    from flwr.app import Message, MetricRecord, RecordDict

    figures = {"num-examples": examples, "loss": 1.0, strategies.WEIGHT: float(examples)}
    content = RecordDict({"arrays": records.packed(arrays), "metrics": MetricRecord(figures)})
    return Message(content, dst_node_id=1, message_type="train")


def one_round(strategy: Any, replies: list[Any], round: int = 1, nodes: int = 8) -> dict[str, Any]:
    from flwr.app import ConfigRecord

    grid = SimpleNamespace(get_node_ids=lambda: list(range(1, nodes + 1)))
    strategy.configure_train(round, records.packed(START), ConfigRecord({}), grid)
    arrays, _ = strategy.aggregate_train(round, replies)
    return records.unpacked(arrays)


def wrapped(seed: int = 5, restore: Any = client_privacy.untouched, **keys: Any) -> Any:
    chosen = options(**keys)
    return wrap(strategies.strategy(chosen), chosen, 8, seed, restore)


def test_updates_are_cut_and_averaged_over_those_that_were_planned() -> None:
    """A small update stays, a large one is cut to the norm 2, all weigh the same, and six who are silent count."""
    small, large = moved(0.01), moved(3.0)
    strategy = wrapped(privacy={"noise": 1e-6})
    found = apart(one_round(strategy, [reply(small, 1), reply(large, 1000)]), START)
    direction = apart(large, START)
    expected = {name: (0.01 + direction[name] * 2.0 / size(direction)) / 8 for name in START}
    assert size(apart(found, expected)) < 1e-4
    assert size(found) < (size(apart(small, START)) + 2.0) / 8 + 1e-4


def test_one_client_moves_the_sum_by_no_more_than_the_clip() -> None:
    replies = [reply(moved(by)) for by in (0.5, -3.0, 0.1)]
    whole = one_round(wrapped(), replies)
    without = one_round(wrapped(), [reply(moved(by)) for by in (-3.0, 0.1)])
    assert size(apart(whole, without)) * 8 == pytest.approx(2.0, rel=1e-3)


def test_the_noise_is_what_is_accounted_for_and_comes_from_the_seed() -> None:
    """Deviation noise x clip / clients planned, also where one alone answers; another round, another noise."""
    replies = [START]
    first, again, later, other = (
        apart(one_round(wrapped(seed), [reply(each) for each in replies], round), START)
        for seed, round in ((5, 1), (5, 1), (5, 2), (6, 1))
    )
    assert first["kernel"].std() == pytest.approx(1.0 * 2.0 / 8, rel=0.05)
    assert (first["kernel"] == again["kernel"]).all()
    for each in (later, other):
        assert abs(np.corrcoef(first["kernel"].ravel(), each["kernel"].ravel())[0, 1]) < 0.1


def test_zeros_are_put_back_behind_the_noise() -> None:
    def restore(arrays: Any) -> Any:
        return arrays | {"kernel": arrays["kernel"] * (np.arange(50) >= 10)}

    found = one_round(wrapped(restore=restore), [reply(START)])
    assert (found["kernel"][:, :10] == 0).all()
    assert (found["kernel"][:, 10:] != 0.5).all()


def test_fedadam_takes_its_step_on_the_noisy_mean_and_is_remembered() -> None:
    strategy = wrapped(strategy="fedadam", server_learning_rate=0.1)
    found = apart(one_round(strategy, [reply(moved(0.01))]), START)
    assert 0 < np.abs(found["kernel"]).max() < 0.2
    assert set(strategy.remembered) == {"m_t", "v_t"}
    strategy.m_t = None
    assert strategy.strategy.m_t is None


def test_another_number_than_was_planned_voids_what_is_counted() -> None:
    strategy = wrapped(fraction=0.5)
    with pytest.raises(MachineError, match="3 clients were drawn, and epsilon counts on 4"):
        one_round(strategy, [reply(START)], nodes=3)
    one_round(wrapped(), [reply(START)], nodes=7)  # where all take part, one who is absent adds nothing


def test_no_answers_are_no_network() -> None:
    assert wrapped().aggregate_train(1, []) == (None, None)


def test_the_budget_tells_epsilon_and_stops() -> None:
    budget = Budget(options(rounds=10, privacy={"noise": 3.0, "epsilon": 2.0}), 8)
    allowed = client_privacy.planned(budget.options, 8).times
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
    noise = client_privacy.noise_for_job(chosen, 8)
    assert spent(noise, client_privacy.schedule_of(chosen, 8)) <= 5.0
    assert Budget(chosen, 8).before_round(10) is None


def test_a_client_clips_before_anything_leaves() -> None:
    job = clients.job(privacy={"clip": 2.0, "noise": 1.0, "delta": 1e-3, "where": "client"})
    (clipping,) = outgoing(job)
    sent = clipping.protect(START, Trained(moved(3.0), 5, {}), 1, "one")
    assert size(apart(sent, START)) == pytest.approx(2.0, rel=1e-4)
    assert outgoing(clients.job(privacy={"clip": 2.0, "noise": 1.0, "delta": 1e-3})) == ()
    assert outgoing(clients.job()) == ()


def test_shares_of_the_noise_add_up_to_the_whole() -> None:
    """Eight clients that did not move: their sum has the deviation noise x clip, and no two shares are alike."""
    chosen = options(aggregation="homomorphic", privacy={"where": "client"})
    share = client_privacy.noise_for_job(chosen, 8)
    assert share == pytest.approx(1.0 / np.sqrt(8))
    clipping = Clipping(2.0, share * 2.0, 5)
    sent = [clipping.protect(START, Trained(START, 5, {}), 1, f"c{index}")["kernel"] - 0.5 for index in range(8)]
    assert sum(sent).std() == pytest.approx(2.0, rel=0.05)
    assert abs(np.corrcoef(sent[0].ravel(), sent[1].ravel())[0, 1]) < 0.1
    assert client_privacy.answers_needed(chosen, 8) == 8
    assert client_privacy.answers_needed(options(), 8) == 2


def test_a_server_that_sees_no_update_is_not_asked_to_add_noise() -> None:
    chosen = options(aggregation="homomorphic", privacy={"where": "client"})
    with pytest.raises(UserError, match="cannot add noise under aggregation = 'homomorphic'"):
        wrap(None, chosen, 8, 5)


def test_among_real_terminals_noise_comes_from_the_system() -> None:
    """They know the seed, so that it must not give the noise away."""
    one, other = (one_round(wrapped(engine="deployment"), [reply(START)])["kernel"] for _ in range(2))
    assert (one != other).any()
    said = " ".join(Budget(options(engine="deployment"), 8).facts(1)["conditions"])
    assert "operating system" in said
