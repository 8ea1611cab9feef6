"""Averages under masks: close to plain ones by a known error, and the server sees sums alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import clients

from tinyc.core.errors import MachineError
from tinyc.federation import apps, exchange, flower, grid, rounds, secagg, secagg_client, strategies
from tinyc.federation.apply import conditions
from tinyc.federation.server import Finished, Server
from tinyc.spec.passes.federate import Federate

NAMES = [f"c{number}" for number in range(4)]


class Wire:
    """A grid that keeps what the clients of the grid beneath send, as a curious server would."""

    def __init__(self, beneath: Any) -> None:
        self.beneath, self.vectors = beneath, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)

    def send_and_receive(self, messages: Any, *, timeout: float | None = None) -> list[Any]:
        from flwr.common import bytes_to_ndarray

        replies = list(self.beneath.send_and_receive(messages, timeout=timeout))
        for each in replies:
            if each.has_content() and "masked_params" in each.content.config_records.get("secaggplus_configs", {}):
                assert not any(each.content.array_records.values()), "weights beside the masked ones"
                masked = each.content["secaggplus_configs"]["masked_params"]
                self.vectors.append([bytes_to_ndarray(one) for one in masked])
        return replies


def federated(aggregation: str, away: dict[str, int] | None = None, scale: float = 1.0, **keys: Any) -> Any:
    """Train at four clients; those in `away` fail in that round. Gives the end, and what went over the wire."""
    whole, model = clients.data(120), clients.network()
    job = clients.job(model, rounds=2, aggregation=aggregation, clients=4, **keys)
    start = exchange.values(exchange.travelling(model, (), "frozen"))
    asked = dict.fromkeys(NAMES, 0)

    def own(job: Any, context: Any) -> Any:
        node = context.node_config["partition-id"]
        asked[NAMES[node]] += 1
        if (away or {}).get(NAMES[node]) == asked[NAMES[node]]:
            raise ValueError("the disk is away")
        return clients.part(whole, slice(node * 20, 25 + node * 30))

    class Scaled:
        def protect(self, received: Any, trained: Any, round: int, client: str) -> Any:
            return {name: received[name] + scale * (a - received[name]) for name, a in trained.arrays.items()}

    place = apps.Workplace(
        lambda context: NAMES[context.node_config["partition-id"]], own, lambda job: (Scaled(),) if scale != 1 else ()
    )
    app = apps.client_app(place)
    wire = Wire(grid.InProcess(lambda message, context: secagg_client.mod(message, context, app), NAMES))
    server = Server(job.options, 1, job, start, strategies.strategy(job.options), 4)
    masked = secagg.Masked(wire, job, 1.0 if job.options.privacy else 55.0)
    return rounds.run(server, masked if aggregation == "secagg" else wire), wire, masked


def apart(one: Finished, two: Finished) -> float:
    return max(float(np.max(np.abs(one.arrays[name] - two.arrays[name]))) for name in one.arrays)


CLIENT_PRIVACY = {"level": "client", "clip": 1.0, "noise": 1.0, "delta": 1e-3, "where": "client"}


@pytest.mark.parametrize("keys", [{}, {"privacy": CLIENT_PRIVACY}])
def test_masked_rounds_are_close_to_plain_rounds(keys):
    (plain, _, _), (masked, wire, grid) = federated("plain", **keys), federated("secagg", **keys)
    assert [each["answered"] for each in masked.facts["rounds"]] == [NAMES, NAMES]
    assert masked.facts["client_examples"] == plain.facts["client_examples"] == {"c0": 25, "c1": 35, "c2": 45, "c3": 55}
    assert masked.facts["rounds"][1]["loss"] == pytest.approx(plain.facts["rounds"][1]["loss"], abs=1e-5)
    assert len(wire.vectors) == 8
    start = clients.start(clients.network())
    assert max(float(np.max(np.abs(masked.arrays[name] - start[name]))) for name in start) > 1e-2
    assert secagg.settings(4).error < 3e-8
    assert apart(masked, plain) < 1e-6
    size = sum(each.size for each in start.values())
    moved = masked.facts["rounds"][1]
    assert (moved["bytes_up"], moved["bytes_down"]) == (grid.traffic.up, grid.traffic.down)
    assert moved["bytes_up"] > 4 * 8 * size


def test_the_same_updates_give_the_same_average():
    found = []
    for seed in (1, 2):
        np.random.seed(seed)
        found.append(federated("secagg")[0])
        assert np.random.get_state()[2] == 624, "the generator is put back"
    assert apart(*found) == 0


def test_a_masked_vector_looks_nothing_like_an_update():
    """Uniform over the modulus, unlike the plain update (all near one level), and unlike other clients'."""
    _, wire, _ = federated("secagg")
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
    (plain, _, _), (masked, _, _) = (federated(each, {"c2": 2}) for each in ("plain", "secagg"))
    (rejected,) = masked.facts["rounds"][1]["rejected"]
    assert rejected["client"] == "c2"
    assert "the disk is away" in rejected["why"]
    assert masked.facts["rounds"][1]["answered"] == ["c0", "c1", "c3"]
    assert apart(masked, plain) < 1e-6


def test_too_few_clients_stop_the_training():
    with pytest.raises(MachineError, match=r"fewer than 3 of 4 clients stayed.*the disk is away"):
        federated("secagg", {"c1": 1, "c2": 1})


def test_an_update_beyond_the_range_is_refused_and_not_clipped():
    with pytest.raises(MachineError, match=r"an update of .* and masks hold 4"):
        federated("secagg", scale=1000.0, max_update=1e6)


@pytest.mark.parametrize("count", [2, 3, 4, 7, 15, 16, 100, 1000])
def test_sums_of_all_clients_fit_the_modulus(count):
    chosen = secagg.settings(count)
    assert count * chosen.levels < 2**32 <= 4 * (count + 1) * chosen.levels
    assert min(count, 3) <= chosen.threshold <= chosen.shares <= count
    assert chosen.shares == count or chosen.shares % 2 == 1


def test_messages_of_no_protocol_pass_through():
    flower.settle()
    from flwr.app import Message, RecordDict

    message = Message(RecordDict(), 1, "train")
    assert secagg_client.mod(message, None, lambda inner, context: (inner, context)) == (message, None)


@pytest.mark.long
def test_masks_on_ray_give_the_average_of_this_process():
    from tinyc.federation import engines

    whole, model = clients.data(90), clients.network()
    parts = {name: clients.part(whole, slice(20 * i, 25 + 20 * i)) for i, name in enumerate(NAMES)}
    found = []
    for engine in ("process", "simulation"):
        job = clients.job(model, rounds=2, aggregation="secagg", clients=4, engine=engine)
        start = exchange.values(exchange.travelling(model, (), "frozen"))
        server = Server(job.options, 1, job, start, strategies.strategy(job.options), 4)
        found.append(engines.train(server, parts))
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
