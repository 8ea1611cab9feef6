"""The pass `federate`: keys that do not go together, real rounds in this process, and what comes out of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support import clients, contexts

from tinyc.compression.clustering.keep import tables
from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.federation import travelling_weights
from tinyc.network.contract import Context
from tinyc.network.state import Net
from tinyc.quantization import fixed_ranges
from tinyc.spec.passes import apply
from tinyc.spec.passes.federate import Federate
from tinyc.spec.passes.quantize import Quantize
from tinyc.tflite.read.flatbuffer import describe
from tinyc.training.predict import accuracy, predictor

CLIENT = {"level": "client", "clip": 1.0, "epsilon": 8, "delta": 1e-3}
EXAMPLE = {"level": "example", "clip": 1.0, "epsilon": 8, "delta": 1e-3}
BAD_KEYS = [
    ({"clients": None}, 'partition = "iid" needs the number of `clients`'),
    ({"partition": "column", "clients": None}, "needs a `column`"),
    ({"partition": "column", "column": "subject"}, "remove `clients`"),
    ({"column": "subject"}, '`column` belongs to partition = "column"; here it is "iid"'),
    ({"alpha": 0.1}, '`alpha` belongs to partition = "dirichlet"'),
    ({"proximal": 1.0}, '`proximal` belongs to strategy = "fedprox"'),
    ({"server_learning_rate": 1.0}, '`server_learning_rate` belongs to strategy = "fedadam"'),
    ({"trim": 0.1}, '`trim` belongs to aggregation = "trimmed_mean"'),
    ({"malicious": 2}, '`malicious` belongs to aggregation = "krum"'),
    ({"address": "localhost:1"}, '`address` belongs to engine = "simulation"'),
    ({"min_clients": 6}, "min_clients = 6 of 5 clients can never answer"),
    ({"aggregation": "krum", "malicious": 2}, r"needs 2 \* malicious \+ 3 = 7 answers a round, and there are 5"),
    ({"aggregation": "trimmed_mean", "trim": 0.1}, "needs 10 answers a round, or trim = 0.1 leaves none out"),
    ({"strategy": "fedadam", "aggregation": "homomorphic"}, "divides by a root of the average"),
    ({"aggregation": "secagg", "engine": "deployment"}, "works in simulation alone"),
    ({"batchnorm": "local", "fake_quantize": True}, "cannot be exported"),
    ({"privacy": CLIENT, "aggregation": "homomorphic"}, "cannot clip what it does not see"),
    ({"privacy": CLIENT, "aggregation": "secagg"}, "cannot clip what it does not see"),
    ({"privacy": CLIENT, "aggregation": "krum"}, "accounted for in an average"),
    ({"privacy": CLIENT | {"delta": 0.2}}, "lets one of 5 clients be disclosed"),
    ({"privacy": CLIENT | {"epsilon": None}}, "privacy needs `noise`, or an `epsilon`"),
    ({"privacy": EXAMPLE | {"where": "client"}}, "`where` belongs to level"),
    ({"privacy": EXAMPLE, "batchnorm": "local"}, 'take batchnorm = "frozen"'),
    ({"privacy": EXAMPLE, "strategy": "fedprox"}, "would be clipped"),
    ({"privacy": EXAMPLE, "augment": ("flip",)}, "`augment` is not used"),
    ({"clip": 1.0}, "Extra inputs are not permitted"),
]
GOOD_KEYS = [
    {"aggregation": "krum"},
    {"aggregation": "trimmed_mean"},
    {"strategy": "fedadam", "aggregation": "secagg"},
    {"privacy": CLIENT | {"where": "client"}, "aggregation": "homomorphic"},
    {"privacy": CLIENT, "strategy": "fedadam"},
    {"engine": "deployment", "clients": None},
    {"partition": "column", "column": "subject", "clients": None},
]


def federate(**keys: Any) -> Federate:
    given = {"engine": "process", "clients": 3, "rounds": 2, "batch": 16, "learning_rate": 0.05}
    return Federate.model_validate({key: value for key, value in (given | keys).items() if value is not None})


def context(folder: Path, rehearse: Any = None) -> Context:
    return contexts.context(folder, clients.data(150, validation=50), Net(None, clients.TASK), rehearse)


def net(model: Any = None) -> Net:
    return Net(model or clients.network(), clients.TASK)


def right(state: Net, folder: Path) -> float:
    return accuracy(predictor(state.model), context(folder).data.validation, clients.TASK)


@pytest.mark.parametrize(("keys", "message"), BAD_KEYS)
def test_keys_that_do_not_go_together(keys, message):
    with pytest.raises(ValidationError, match=message):
        federate(**{"clients": 5, **keys})


@pytest.mark.parametrize("keys", GOOD_KEYS)
def test_keys_that_go_together(keys):
    assert federate(**{"clients": 5, **keys}).use == "federate"


def test_rounds_make_the_network_better_and_its_facts_add_up(tmp_path):
    given = net()
    before, statistics = right(given, tmp_path), given.model.get_layer("norm").get_weights()
    keys = {"partition": "column", "column": "subject", "clients": None, "rounds": 4, "local_epochs": 8}
    outcome = apply(federate(**keys), given, context(tmp_path))
    facts = outcome.facts
    assert right(outcome.state, tmp_path) > max(before, 0.8)
    assert facts["clients"] == 5
    assert sum(facts["client_examples"].values()) == 150
    assert [sum(counts.values()) for counts in facts["client_classes"].values()] == list(
        facts["client_examples"].values()
    )
    assert [each["round"] for each in facts["rounds"]] == [1, 2, 3, 4]
    assert facts["rounds"][-1]["validation_accuracy"] == pytest.approx(right(outcome.state, tmp_path))
    assert facts["rounds"][0]["loss"] > facts["rounds"][-1]["loss"]
    assert facts["travels"]["variables"] == 5
    after = outcome.state.model.get_layer("norm").get_weights()
    assert all((a == b).all() for a, b in zip(statistics, after, strict=True))
    assert not outcome.state.ranges
    assert not any((tmp_path / "cache").rglob("*.npz"))


@pytest.mark.parametrize("strategy", ["fedprox", "fedadam"])
@pytest.mark.parametrize("aggregation", ["plain", "trimmed_mean"])
def test_structure_survives_every_aggregation(strategy, aggregation, tmp_path):
    given = net(clients.structured())
    outcome = apply(federate(clients=5, strategy=strategy, aggregation=aggregation), given, context(tmp_path))
    survived(given, outcome.state)


def survived(given: Net, state: Net) -> None:
    start, end = (
        travelling_weights.values(travelling_weights.travelling(each.model, (), "frozen")) for each in (given, state)
    )
    assert any((start[name] != end[name]).any() for name in start)
    assert ((end["second/kernel"] == 0) == (start["second/kernel"] == 0)).all()
    assert tables(state.model) == tables(given.model)


@pytest.mark.parametrize("aggregation", ["homomorphic", "secagg"])
def test_structure_survives_encryption_and_masks(aggregation, tmp_path):
    given = net(clients.structured())
    outcome = apply(federate(aggregation=aggregation), given, context(tmp_path))
    survived(given, outcome.state)
    plain = apply(federate(), given, context(tmp_path))
    one, other = (
        travelling_weights.values(travelling_weights.travelling(each.state.model, (), "frozen"))
        for each in (outcome, plain)
    )
    assert max(np.abs(one[name] - other[name]).max() for name in one) < 1e-5
    assert outcome.facts["aggregation"] == aggregation


@pytest.mark.parametrize(
    "keys",
    [{"privacy": CLIENT}, {"privacy": EXAMPLE}, {"privacy": CLIENT | {"where": "client"}, "aggregation": "secagg"}],
)
def test_structure_survives_noise_and_epsilon_is_told(keys, tmp_path):
    given = net(clients.structured())
    outcome = apply(federate(**keys), given, context(tmp_path))
    survived(given, outcome.state)
    told = [each["epsilon"] for each in outcome.facts["rounds"]]
    assert 0 < told[0] < told[1] <= 8
    assert outcome.facts["privacy"]["level"] == keys["privacy"]["level"]
    assert outcome.facts["privacy"]["conditions"]


def test_a_spent_budget_stops_the_training(tmp_path):
    keys = {"privacy": EXAMPLE | {"noise": 1.0, "epsilon": 5.0}, "rounds": 40}
    outcome = apply(federate(**keys), net(), context(tmp_path))
    assert 0 < len(outcome.facts["rounds"]) < 40
    assert "budget" in outcome.facts["stopped"]
    assert outcome.facts["rounds"][-1]["epsilon"] <= 5.0


def test_ranges_go_to_the_artifact(tmp_path):
    given = net()
    outcome = apply(federate(fake_quantize=True), given, context(tmp_path))
    ranges = outcome.state.ranges
    assert (
        ranges
        == fixed_ranges.measured(given.model, inputs(context(tmp_path).data.calibration.x, clients.TASK), False)[0]
    )
    assert all("quant" not in layer.name for layer in outcome.state.model.layers)
    wide = {name: (2 * low, 2 * high) for name, (low, high) in ranges.items()}
    scales = []
    for each in (ranges, wide):
        quantized = apply(
            Quantize(use="quantize", how="qat", epochs=0), replace(outcome.state, ranges=each), context(tmp_path)
        )
        assert quantized.facts["ranges_kept"] == len(ranges)
        scales.append(describe(quantized.state.content).outputs[0].scales[0])
    low, high = ranges["logits/post_activation"] if "logits/post_activation" in ranges else ranges["logits/output"]
    assert scales[0] == pytest.approx((high - low) / 255, rel=0.02)
    assert scales[1] == pytest.approx(2 * scales[0], rel=1e-3)
    bare = apply(Quantize(use="quantize", how="qat", epochs=0), replace(outcome.state, ranges={}), context(tmp_path))
    assert "ranges_kept" not in bare.facts


def test_local_batchnorm_is_judged_at_the_clients(tmp_path):
    facts = apply(federate(batchnorm="local"), net(), context(tmp_path)).facts
    assert sorted(facts["client_accuracy"]) == ["client-0001", "client-0002", "client-0003"]
    assert all(0 <= each <= 1 for each in facts["client_accuracy"].values())
    assert facts["rounds"][-1]["validation_accuracy"] is None
    assert "tenth" in facts["evaluated_on"]


def test_selected_layers_alone_change(tmp_path):
    given = net()
    outcome = apply(federate(trainable=("logits",)), given, context(tmp_path))
    assert outcome.facts["travels"] == {"variables": 2, "params": 24 * 3 + 3}
    kept = [(a == b).all() for a, b in zip(given.model.get_weights(), outcome.state.model.get_weights(), strict=True)]
    assert kept[:-2] == [True] * (len(kept) - 2)
    assert not kept[-2]


def test_a_rehearsal_trains_nothing_and_refuses_what_would_fail(tmp_path):
    given = net()
    outcome = apply(federate(fake_quantize=True), given, context(tmp_path, "lower"))
    assert all(
        (a == b).all() for a, b in zip(given.model.get_weights(), outcome.state.model.get_weights(), strict=True)
    )
    assert outcome.state.ranges
    assert outcome.facts["clients"] == 3
    assert not (tmp_path / "cache").exists()
    with pytest.raises(UserError, match="no column 'subjct'"):
        apply(federate(partition="column", column="subjct", clients=None), given, context(tmp_path, "lower"))
    with pytest.raises(UserError, match="matches no layer"):
        apply(federate(trainable=("nothing",)), given, context(tmp_path, "lower"))


def test_deployment_without_terminals_says_how_to_serve(tmp_path):
    with pytest.raises(UserError, match="nobody listens") as caught:
        apply(federate(engine="deployment", clients=None), net(), context(tmp_path))
    assert "tinyc federate serve" in caught.value.remedy
