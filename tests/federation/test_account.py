"""A terminal counts for itself what it trains under privacy, and keeps the count; its noise is its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import clients

from tinyc.core import limits
from tinyc.core.errors import MachineError, UserError
from tinyc.federation.client import local_training
from tinyc.federation.client.local_training import Trained
from tinyc.federation.job import Job, Network
from tinyc.federation.privacy import clipping
from tinyc.federation.terminals import job_rules
from tinyc.federation.terminals.account import Account
from tinyc.federation.updates import Update
from tinyc.training.private import example_budget

EXAMPLE = {"level": "example", "clip": 1.0, "epsilon": 8, "delta": 1e-3}


def asked(**keys: Any) -> Job:
    given = {"engine": "deployment", "clients": None, **keys}
    return Job(clients.options(**given), 11, Network("{}", b""), clients.TASK)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `local_training.train` was asked, which trains nothing here."""
    calls: list[dict[str, Any]] = []

    def train(*given: Any, **named: Any) -> Trained:
        calls.append(named)
        return Trained({"w": np.array([len(calls)], np.float32)}, 40, {"loss": 0.5})

    monkeypatch.setattr(local_training, "train", train)
    return calls


def round_of(account: Account, job: Job, round: int, start: float) -> Trained:
    return account.train(job, {"w": np.array([start], np.float32)}, round, "client-1", clients.data(40))


def test_a_server_cannot_have_more_rounds_trained_than_the_budget_allows(tmp_path: Path, trained: list[Any]) -> None:
    """Whatever number it gives them, and whether the terminal is started anew in between or not."""
    job, path = asked(rounds=3, privacy=EXAMPLE), tmp_path / "spent.json"
    allowed = example_budget.rounds_for(job.options, 40)
    assert allowed == 3
    account = Account(path)
    for start in range(2):
        round_of(account, job, 1, start)
    account = Account(path)
    round_of(account, job, 1, 2)
    for again in (account, Account(path)):
        with pytest.raises(UserError, match=r"round 4 would exceed epsilon = 8\.0 for the 40 examples"):
            round_of(again, job, 1, 3)
    assert [each["times"] for each in trained] == [1, 2, 3]
    assert json.loads(path.read_text()) == {job.sha256: 3}


def test_noise_is_not_of_the_jobs_seed(tmp_path: Path, trained: list[Any]) -> None:
    job = asked(rounds=3, privacy=EXAMPLE)
    for folder in ("one", "other"):
        round_of(Account(tmp_path / folder / "spent.json"), job, 1, 0)
    one, other = (each["secret"] for each in trained)
    assert one != other
    assert max(one, other).bit_length() > 64


def test_the_same_question_gets_the_same_answer_and_costs_nothing_more(tmp_path: Path, trained: list[Any]) -> None:
    account, job = Account(tmp_path / "spent.json"), asked(rounds=3, privacy=EXAMPLE)
    first, again = round_of(account, job, 2, 0), round_of(account, job, 2, 0)
    assert first is again
    assert round_of(account, job, 2, 1) is not first
    assert account.spent() == {job.sha256: 2}


def test_a_count_that_cannot_be_read_stops_the_training(tmp_path: Path, trained: list[Any]) -> None:
    (tmp_path / "spent.json").write_text("[1]")
    with pytest.raises(MachineError, match="cannot be read"):
        round_of(Account(tmp_path / "spent.json"), asked(privacy=EXAMPLE), 1, 0)
    assert not trained


@pytest.mark.parametrize("round", [0, -1, 5])
def test_rounds_that_the_job_does_not_have_are_not_trained(round: int, tmp_path: Path, trained: list[Any]) -> None:
    with pytest.raises(UserError, match="of 4"):
        round_of(Account(tmp_path / "spent.json"), asked(rounds=4), round, 0)
    assert not trained


def test_a_round_that_hardly_ends_is_not_begun(tmp_path: Path, trained: list[Any]) -> None:
    job = asked(local_epochs=1000, batch=1)
    with pytest.raises(UserError, match="asks for 1200000 steps a round of 1200 examples"):
        Account(tmp_path / "spent.json").train(job, {}, 1, "client-1", clients.data(1200))
    round_of(Account(tmp_path / "spent.json"), job, 1, 0)
    assert len(trained) == 1
    assert not (tmp_path / "spent.json").exists()


def test_a_job_that_calls_itself_a_simulation_is_refused() -> None:
    """Its noise would be drawn from a seed that the server knows."""
    with pytest.raises(UserError, match="of the engine 'simulation', and this is a terminal"):
        job_rules.accept(asked(engine="simulation"))
    with pytest.raises(UserError, match="a terminal reads 268435456 at most"):
        job_rules.accept(replace(asked(), network=Network("{}", bytes(limits.JOB_NETWORK_BYTES + 1))))
    job_rules.accept(asked())


def test_a_terminal_says_what_protects_its_examples() -> None:
    assert job_rules.told(asked()).endswith("4 rounds, aggregation = 'plain', no privacy")
    said = job_rules.told(asked(privacy=EXAMPLE))
    assert said.endswith("example-level privacy, epsilon = 8, delta = 0.001")


def test_a_share_of_noise_is_not_drawn_twice_for_different_weights() -> None:
    """The server knows the job's seed, and may ask for one round with two networks."""
    privacy = {"level": "client", "clip": 1.0, "noise": 1.0, "delta": 1e-3, "where": "client"}
    job = replace(asked(aggregation="homomorphic", privacy=privacy), noise=1.0)
    one, other = clipping.clipping(job), clipping.clipping(job)

    def noise(clipping: Any, start: float) -> list[float]:
        received = {"w": np.full(3, start, np.float32)}
        left = clipping(Update("client-1", 1, received, received, 1))
        return [round(float(value), 4) for value in left.weights["w"] - received["w"]]

    assert noise(one, 0) == noise(one, 0)
    assert noise(one, 0) != noise(one, 1)
    assert noise(one, 0) != noise(other, 0)


def test_the_facts_of_terminals_say_whose_word_they_are() -> None:
    options = asked(rounds=3, privacy=EXAMPLE).options
    facts = example_budget.facts(options, {"client-1": 40, "client-2": 60}, 3)
    said = " ".join(facts["conditions"])
    assert "random bits of the operating system" in said
    assert "seeded generator" not in said
    assert "keeps the count" in said
    assert set(facts["client_epsilon"]) == {"client-1", "client-2"}


def test_a_terminal_that_says_an_impossible_number_does_not_spoil_the_others_facts() -> None:
    """With one example there is no sampling, and this noise allows no round; the network is there all the same."""
    privacy = {"level": "example", "clip": 1.0, "noise": 1.0, "epsilon": 8, "delta": 1e-3}
    options = asked(rounds=2, batch=4, local_epochs=20, privacy=privacy).options
    facts = example_budget.facts(options, {"client-1": 4, "client-2": 4000}, 1)
    assert facts["client_epsilon"]["client-1"] is None
    assert facts["epsilon"] == facts["client_epsilon"]["client-2"]
