"""Budgets, rounds and limits: what remains, in which units, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from support.pruning_networks import CLASSES, FAMILIES, images, randomized

from tinyc import measure
from tinyc.compression.pruning.amounts import limits_of
from tinyc.compression.pruning.costs import UNITS, costs
from tinyc.compression.pruning.graph import channel_graph
from tinyc.compression.pruning.importance import Examples
from tinyc.compression.pruning.layer_amounts import LayerAmount, resolve_amounts
from tinyc.compression.pruning.structured import Ranking, channels
from tinyc.core.errors import UserError
from tinyc.data.task import Task
from tinyc.network.state import Net
from tinyc.spec.budget import Budget

EXAMPLES = Examples(images(64, seed=9), np.arange(64) % CLASSES)


def prune(model, ranking, rounds=1, only=(), keep_least=0.0):
    amounts = resolve_amounts(model, ranking.fraction, only, [], "prune", keep_least)
    return channels(model, ranking, amounts, "prune", EXAMPLES, rounds)


@pytest.mark.parametrize("family", ["resnet8", "resnet_v2", "mobile", "decoder"])
def test_macs_are_those_of_the_converted_network(family):
    model = randomized(FAMILIES[family]())
    graph = channel_graph(model)
    got = dict(zip(UNITS, costs(model, graph).total(np.ones(graph.count, dtype=bool)), strict=True))
    weighed = measure.weigh_net(Net(model, Task(tuple("abcde"), model.input_shape[1:]))).figures
    assert got["params"] == weighed["params"]
    assert got["macs"] == weighed["macs"]


@pytest.mark.parametrize("importance", ["l1", "taylor"])
@pytest.mark.parametrize(
    ("budget", "per"),
    [
        ({"params": "40 %"}, None),
        ({"macs": "30 %"}, None),
        ({"file": "20 kB", "macs": "50 %"}, None),
        ({"params": "30 k"}, "mac"),
        ({"macs": "40 %"}, "channel"),
        ({"params": "60 %", "macs": "35 %"}, "byte"),
    ],
)
def test_budgets_are_met_and_hardly_more(importance, budget, per):
    allowed = Budget(**budget)
    ranking = Ranking(0.5, importance, budget=allowed, per=per)
    pruned = prune(randomized(FAMILIES["resnet8"]()), ranking)
    start, end = ([bill[unit] for unit in UNITS] for bill in (pruned.bills[0], pruned.bills[-1]))
    limits = limits_of(allowed, np.array(start, float))
    assert (end <= limits + 1e-6).all()
    assert max(end / limits) > 0.93  # one channel of the first stage is 4 % of all MACs
    assert pruned.model.count_params() == pruned.bills[-1]["params"]


def test_importance_per_mac_loses_less_of_it_than_per_channel():
    model = randomized(FAMILIES["resnet8"]())
    ranking = Ranking(0.5, budget=Budget(macs="40 %"))
    left = {
        per: sum(group.after for group in prune(model, replace(ranking, per=per)).groups) for per in ("channel", "mac")
    }
    assert left["mac"] > left["channel"]


def test_rounds_reach_the_same_amounts():
    model = randomized(FAMILIES["resnet8"]())
    seen = []
    for ranking in (Ranking(0.55), Ranking(0.55, "taylor", "global"), Ranking(0.5, budget=Budget(params="30 %"))):
        amounts = resolve_amounts(model, ranking.fraction, [], [], "prune")

        def tune(smaller, number):
            seen.append((number, smaller.count_params()))

        several = channels(model, ranking, amounts, "prune", EXAMPLES, 3, tune)
        once = prune(model, ranking)
        assert [number for number, _ in seen[-3:]] == [0, 1, 2]
        assert [bill["params"] for bill in several.bills[1:]] == [params for _, params in seen[-3:]]
        if ranking.budget:
            assert several.bills[-1]["params"] == pytest.approx(once.bills[-1]["params"], rel=0.02)
        else:
            total = [sum(group.after for group in each.groups) for each in (several, once)]
            assert total[0] == total[1]
        assert [group.before for group in several.groups] == [group.before for group in once.groups]


def test_the_least_share_stays():
    model = randomized(FAMILIES["resnet8"]())
    for ranking in (Ranking(0.9), Ranking(0.9, scope="global"), Ranking(0.5, budget=Budget(params="25 %"))):
        pruned = prune(
            model, ranking, only=[LayerAmount("*"), LayerAmount("stage3_a_conv", keep_least=0.75)], keep_least=0.3
        )
        after = {group.layers: (group.before, group.after) for group in pruned.groups}
        assert after[("stage3_a_conv",)][1] >= 48
        assert all(left >= 0.3 * whole for whole, left in after.values())


def test_a_budget_out_of_reach_is_said():
    with pytest.raises(UserError, match=r"prune\.budget: it cannot be met .*params <= 780 \(at least .* stay\)"):
        prune(randomized(FAMILIES["resnet8"]()), Ranking(0.5, budget=Budget(params="780")), keep_least=0.5)


@pytest.mark.parametrize(("unit", "other"), [("params", "macs"), ("macs", "params")])
def test_rehearsals_of_a_budget_bracket_what_it_leaves_open(unit, other):
    model = randomized(FAMILIES["resnet8"]())
    ranking = Ranking(0.5, budget=Budget(**{unit: "40 %"}))
    low, high = (prune(model, replace(ranking, rehearse=side)).bills[-1] for side in ("lower", "upper"))
    assert low[other] < high[other]
    for importance in ("l1", "taylor"):
        real = prune(model, replace(ranking, importance=importance)).bills[-1]
        assert low[other] <= real[other] <= high[other]
        assert low[unit] == pytest.approx(real[unit], rel=0.03)


def test_amounts_by_group():
    model = randomized(FAMILIES["resnet8"]())
    pruned = prune(model, Ranking(0.5, amounts={("stage1_a_conv",): 0.5, ("stage2_a_conv",): 0.0}))
    assert [(group.layers, group.after) for group in pruned.groups] == [
        (("stage1_a_conv",), 8), (("stage2_a_conv",), 32),
    ]  # fmt: skip
    reasons = {each.layer: each.why for each in pruned.skipped}
    assert reasons["stage3_a_conv"] == "the sensitivity file has no group of these layers"


@pytest.mark.parametrize("keys", [{}, {"params": "0"}, {"params": "100 %"}, {"params": "96 KiB"}, {"file": "<= 10 %"}])
def test_bad_budgets_are_refused(keys):
    with pytest.raises(ValueError, match=r"remain|unit|number"):
        Budget(**keys)
