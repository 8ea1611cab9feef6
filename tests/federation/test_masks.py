"""Averages under masks: close to plain ones by a known error, and the server sees sums alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from support import clients

from tinyc.core.errors import MachineError
from tinyc.federation import exchange, training
from tinyc.federation.apply import conditions
from tinyc.federation.client.in_process import InProcess
from tinyc.federation.client.round import Client
from tinyc.federation.flower import masks
from tinyc.federation.flower.masks import Unmask
from tinyc.federation.flower.messages import Content, Failure, content
from tinyc.federation.rounds import loop
from tinyc.federation.rounds.server import Finished, Server
from tinyc.spec.passes.federate import Federate
from tinyc.training.private import client_budget

NAMES = [f"c{number}" for number in range(4)]


class Wire:
    """A transport that keeps what the clients beneath send, as a curious server would."""

    def __init__(self, beneath: Any) -> None:
        self.beneath = beneath
        self.vectors: list[Any] = []

    def present(self) -> Any:
        return self.beneath.present()

    def ask(self, kind: str, contents: Any, seconds: float) -> Any:
        from flwr.common import bytes_to_ndarray

        answers = self.beneath.ask(kind, contents, seconds)
        for each in answers.values():
            if not isinstance(each, Failure) and "masked_params" in each.config_records.get("secaggplus_configs", {}):
                assert not any(each.array_records.values()), "weights beside the masked ones"
                masked = each["secaggplus_configs"]["masked_params"]
                self.vectors.append([bytes_to_ndarray(one) for one in masked])
        return answers


@dataclass(frozen=True)
class Odd(Client):
    """A client that fails in one round."""

    away: int = 0
    asked: list[int] = field(default_factory=list)

    def train(self, asked: Content, state: Content) -> Content:
        self.asked.append(1)
        if len(self.asked) == self.away:
            raise ValueError("the disk is away")
        return super().train(asked, state)


def federated(aggregation: str, away: dict[str, int] | None = None, **keys: Any) -> Any:
    """Train at four clients; those in `away` fail in that round. Gives the end, and what went over the wire."""
    whole, model = clients.data(120), clients.network()
    job = clients.job(model, rounds=2, aggregation=aggregation, clients=4, **keys)
    people = [
        Odd(name, clients.part(whole, slice(node * 20, 25 + node * 30)), away=(away or {}).get(name, 0))
        for node, name in enumerate(NAMES)
    ]
    private = bool(job.options.privacy)
    unmask = Unmask(1.0 if private else 55.0, private) if aggregation == "secagg" else None
    server = Server(job.options, 1, job, clients.start(model), 4, unmask=unmask)
    wire = Wire(InProcess(people))
    return loop.run(replace(server, steps=exchange.at_server(server)), wire), wire


def apart(one: Finished, two: Finished) -> float:
    first, second = one.weights, two.weights
    return max(float(np.max(np.abs(first[name] - second[name]))) for name in first)


CLIENT_PRIVACY = {"level": "client", "clip": 1.0, "noise": 1.0, "delta": 1e-3, "where": "client"}


@pytest.mark.parametrize("keys", [{}, {"privacy": CLIENT_PRIVACY}])
def test_masked_rounds_are_close_to_plain_rounds(keys, monkeypatch):
    if "privacy" in keys:  # all weigh the same, and no noise is added on either way
        monkeypatch.setattr(exchange, "clipping", lambda job: None)
        monkeypatch.setattr(client_budget, "by_shares", lambda options: True)
    (plain, _), (masked, wire) = federated("plain", **keys), federated("secagg", **keys)
    assert [each["answered"] for each in masked.facts["rounds"]] == [NAMES, NAMES]
    assert masked.facts["client_examples"] == plain.facts["client_examples"] == {"c0": 25, "c1": 35, "c2": 45, "c3": 55}
    assert masked.facts["rounds"][1]["loss"] == pytest.approx(plain.facts["rounds"][1]["loss"], abs=1e-5)
    assert len(wire.vectors) == 8
    start = clients.start(clients.network())
    assert max(float(np.max(np.abs(masked.weights[name] - start[name]))) for name in start) > 1e-2
    assert masks.settings(4).error < 3e-8
    assert apart(masked, plain) < 1e-6
    size = sum(each.size for each in start.values())
    moved = masked.facts["rounds"][1]
    # Four stages down, of which one carries weights and job; up, the masked vector in whole numbers of eight bytes.
    assert moved["bytes_down"] > 4 * (4 * size + len(clients.job(clients.network()).to_bytes()))
    assert moved["bytes_up"] > 4 * 8 * size


def test_the_same_updates_give_the_same_average():
    found = []
    for seed in (1, 2):
        np.random.seed(seed)
        found.append(federated("secagg")[0])
        assert np.random.get_state(legacy=False)["state"]["pos"] == 624, "the generator is put back"
    assert apart(*found) == 0


def test_a_masked_vector_looks_nothing_like_an_update():
    """Uniform over the modulus, unlike the plain update (all near one level), and unlike other clients'."""
    _, wire = federated("secagg")
    first = [np.concatenate([each.reshape(-1) for each in one]) for one in wire.vectors[:4]]
    for vector in first:
        assert vector.min() >= 0
        assert vector.max() < 2**32
        share = np.histogram(vector, 8, (0, 2**32))[0] / vector.size
        assert share.min() > 0.08
        assert share.max() < 0.17
    correlations = np.corrcoef(first)[np.triu_indices(4, 1)]
    assert np.max(np.abs(correlations)) < 0.15
    summed = np.sum(first, axis=0) % 2**32
    assert np.histogram(summed, 8, (0, 2**32))[0].min() / summed.size > 0.08, "the clients' own masks are in the sum"


def test_a_client_that_fails_in_training_is_named_and_the_rest_is_averaged():
    (plain, _), (masked, _) = (federated(each, {"c2": 2}) for each in ("plain", "secagg"))
    (rejected,) = masked.facts["rounds"][1]["rejected"]
    assert rejected["client"] == "c2"
    assert "the disk is away" in rejected["why"]
    assert masked.facts["rounds"][1]["answered"] == ["c0", "c1", "c3"]
    assert apart(masked, plain) < 1e-6


def test_too_few_clients_stop_the_training():
    with pytest.raises(MachineError, match=r"fewer than 3 of 4 clients stayed.*the disk is away"):
        federated("secagg", {"c1": 1, "c2": 1})


def test_an_update_beyond_the_range_is_refused_and_not_clipped(monkeypatch):
    plain = exchange.at_client

    def scaled(update: Any) -> Any:
        before = update.before
        return replace(
            update, weights={name: before[name] + 1000 * (a - before[name]) for name, a in update.weights.items()}
        )

    monkeypatch.setattr(exchange, "at_client", lambda job, key: (scaled, *plain(job, key)))
    with pytest.raises(MachineError, match=r"an update of .* and masks hold 4"):
        federated("secagg", max_update=1e6)


@pytest.mark.parametrize("count", [2, 3, 4, 7, 15, 16, 100, 1000])
def test_sums_of_all_clients_fit_the_modulus(count):
    chosen = masks.settings(count)
    assert count * chosen.levels < 2**32 <= 4 * (count + 1) * chosen.levels
    assert min(count, 3) <= chosen.threshold <= chosen.shares <= count
    assert chosen.shares == count or chosen.shares % 2 == 1


def test_messages_of_no_protocol_are_no_stage():
    assert not masks.is_stage(content(config={"server-round": 1}))


@pytest.mark.long
def test_masks_on_ray_give_the_average_of_this_process():
    whole, model = clients.data(90), clients.network()
    parts = {name: clients.part(whole, slice(20 * i, 25 + 20 * i)) for i, name in enumerate(NAMES)}
    found = []
    for engine in ("process", "simulation"):
        job = clients.job(model, rounds=2, aggregation="secagg", clients=4, engine=engine)
        server = Server(job.options, 1, job, clients.start(model), 4, unmask=Unmask(25.0, False))
        found.append(training.run(replace(server, steps=exchange.at_server(server)), parts))
    assert apart(*found) == 0
    assert found[1].facts["rounds"][1]["answered"] == NAMES


def test_two_clients_are_too_few_to_hide_in():
    with pytest.raises(ValueError, match="needs 3 clients a round"):
        Federate(clients=2, aggregation="secagg")
    with pytest.raises(ValueError, match="needs 3 clients a round"):
        Federate(clients=10, fraction=0.2, aggregation="secagg")
    assert Federate(clients=3, aggregation="secagg")


def test_the_report_says_what_masks_do_not_hide():
    rounds = [{"answered": NAMES}, {"answered": NAMES[:3]}]
    told = conditions(Federate(clients=4, aggregation="secagg"), {"rounds": rounds, "clients": 4})
    assert "3 of 3 clients have to stay" in told[0]
    assert any("32-bit" in each for each in told)
