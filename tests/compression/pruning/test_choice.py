"""How many channels go: rounding, floors, selectors, the global ranking, and the extremes that plan shows."""

import itertools
from typing import Any

import numpy as np
import pytest
from support import chains
from support.pruning_networks import CLASSES, FAMILIES, SHAPE, family, images, randomized

from tinyc.compression.pruning.bounds import extreme, sizes
from tinyc.compression.pruning.choice import removable, to_multiples
from tinyc.compression.pruning.graph import channel_graph
from tinyc.compression.pruning.importance import Examples, scores
from tinyc.compression.pruning.layer_amounts import LayerAmount, resolve_amounts
from tinyc.compression.pruning.structured import Ranking, channels
from tinyc.core.errors import UserError
from tinyc.network import backend

EXAMPLES = Examples(images(64, seed=9), np.arange(64) % CLASSES)


def chain(*widths):
    """Convolutions one after the other, named c0, c1, ..."""
    layers = backend.keras().layers
    made = [layers.Conv2D(width, 1, activation="relu", name=f"c{place}") for place, width in enumerate(widths)]
    return randomized(chains.chain(SHAPE, *made, layers.GlobalAveragePooling2D(), layers.Dense(CLASSES, name="logits")))


def prune(model, ranking, only=(), skip=()):
    return channels(model, ranking, resolve_amounts(model, ranking.fraction, only, skip, "prune"), "prune", EXAMPLES)


def widths(model, count):
    return [model.get_layer(f"c{place}").filters for place in range(count)]


@pytest.mark.parametrize(
    ("fraction", "round_to", "left"),
    [
        (0.3, 1, [7, 70, 3, 1]),
        (0.29, 1, [8, 71, 3, 1]),
        (0.99, 1, [1, 1, 1, 1]),
        (0.05, 1, [10, 95, 3, 1]),
        (0.3, 4, [8, 72, 3, 1]),
        (0.9, 8, [8, 16, 3, 1]),
    ],
)
def test_fraction_is_rounded_down_and_one_stays(fraction, round_to, left):
    pruned = prune(chain(10, 100, 3, 1), Ranking(fraction, round_to=round_to))
    assert widths(pruned.model, 4) == left
    assert [group.after for group in pruned.groups] == left


def test_the_least_important_go():
    model = chain(6, 6)
    kernel, bias = model.get_layer("c0").get_weights()
    kernel[..., [1, 4]] *= 1e-3
    model.get_layer("c0").set_weights([kernel, bias])
    pruned = prune(model, Ranking(0.34))
    assert np.array_equal(pruned.model.get_layer("c0").get_weights()[0], kernel[..., [0, 2, 3, 5]])


def test_last_match_wins_and_skip_wins_over_all():
    only = [LayerAmount("c*"), LayerAmount("re:c[12]", 0.5), LayerAmount("c2", 0.75), LayerAmount("c3")]
    pruned = prune(chain(8, 8, 8, 8), Ranking(0.25), only, ["c3"])
    assert widths(pruned.model, 4) == [6, 4, 2, 8]


def test_a_coupled_layer_is_not_cut_behind_the_users_back():
    model = FAMILIES["resnet8"]()
    pruned = prune(model, Ranking(0.25), skip=["stem_conv"])
    reasons = {each.layer: each.why for each in pruned.skipped}
    assert reasons["stage1_b_conv"] == "its channels are tied to layer 'stem_conv': `skip` names it"
    pruned = prune(model, Ranking(0.25), [LayerAmount("stage1_*"), LayerAmount("stage3_*")])
    assert pruned.model.get_layer("stage1_b_conv").filters == 16
    assert {each.layer: each.why for each in pruned.skipped} == {
        "stage1_b_conv": "its channels are tied to layer 'stem_conv': `only` does not name it"
    }


def test_tied_layers_lose_the_least_of_their_fractions():
    pruned = prune(FAMILIES["resnet8"](), Ranking(0.25), [LayerAmount("type:Conv2D"), LayerAmount("stem_conv", 0.5)])
    assert pruned.model.get_layer("stem_conv").filters == 12


def test_selector_that_matches_nothing_is_an_error():
    with pytest.raises(UserError, match=r"prune\.only: 'd\*' matches no layer"):
        prune(chain(4), Ranking(0.5), [LayerAmount("d*")])


def test_bn_scale_says_what_it_cannot_rank():
    pruned = prune(FAMILIES["flattened"](), Ranking(0.5, "bn_scale"))
    assert pruned.model.get_layer("first").filters == 4
    with pytest.raises(UserError, match="no BatchNormalization with a scale follows"):
        prune(chain(4, 4), Ranking(0.5, "bn_scale"))


def test_taylor_is_the_squared_change_of_the_loss():
    model = chain(4, 3)
    graph = channel_graph(model)
    small = Examples(EXAMPLES.x[:8], EXAMPLES.y[:8], batch=8)
    got = scores(model, graph, "taylor", small)
    group = next(group for group in graph.groups if group.layers == ("c1",))
    loss = backend.keras().losses.SparseCategoricalCrossentropy(from_logits=True)
    kernel, bias = model.get_layer("c1").get_weights()
    before, step = float(loss(small.y, model(small.x))), 1e-2
    for place, channel in enumerate(group.channels):
        factor = np.where(np.arange(3) == place, 1 - step, 1).astype(np.float32)
        model.get_layer("c1").set_weights([kernel * factor, bias * factor])
        change = (float(loss(small.y, model(small.x))) - before) / step
        assert got[channel] == pytest.approx(change**2, rel=0.1, abs=1e-5)


def test_same_input_same_choice():
    for importance in ("l1", "taylor"):
        first, second = (prune(randomized(FAMILIES["gated"]()), Ranking(0.4, importance, "global")) for _ in range(2))
        assert [group.after for group in first.groups] == [group.after for group in second.groups]


def test_global_ranking_removes_its_share_and_leaves_one():
    model = chain(10, 20, 30)
    kernel, bias = model.get_layer("c0").get_weights()
    model.get_layer("c0").set_weights([kernel * np.linspace(1e-4, 1, 10) ** 4, bias])
    pruned = prune(model, Ranking(0.5, scope="global"))
    assert sum(widths(pruned.model, 3)) == 30
    assert len(set(np.array([10, 20, 30]) / widths(pruned.model, 3))) > 1
    assert min(widths(prune(model, Ranking(0.99, scope="global")).model, 3)) == 1


@pytest.mark.parametrize(
    ("name", "round_to"), [*((name, 1) for name in FAMILIES), ("resnet8", 4), ("densenet", 3), ("gated", 4)]
)
def test_rehearsals_bracket_every_ranking(name, round_to):
    model = family(name)
    lower, upper = (
        prune(model, Ranking(0.4, scope="global", round_to=round_to, rehearse=side)).model.count_params()
        for side in ("lower", "upper")
    )
    for importance in ("l1", "taylor"):
        real = prune(model, Ranking(0.4, importance, "global", round_to)).model.count_params()
        assert lower <= real <= upper
    assert round_to > 1 or lower < upper


@pytest.mark.parametrize("round_to", [1, 2, 4])
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.8])
def test_extremes_are_those_of_all_choices(fraction, round_to):
    model = chain(6, 3, 8, 5)
    graph = channel_graph(model)
    size = sizes(model, graph)
    whole: Any = np.array([len(group.channels) for group in graph.groups])
    caps = [removable(group, round_to) for group in graph.groups]
    amount = min(int(fraction * 22), sum(caps))
    every = [np.array(each) for each in itertools.product(*(range(cap + 1) for cap in caps)) if sum(each) == amount]
    params = [size.params(whole - to_multiples(each, graph, round_to)) for each in every]
    ends: tuple[tuple[Any, Any], ...] = (("lower", min(params)), ("upper", max(params)))
    for side, best in ends:
        assert size.params(whole - extreme(model, graph, fraction, round_to, side)) == best


def test_sizes_predict_params():
    model = FAMILIES["mobile"]()
    pruned = prune(model, Ranking(0.4))
    graph = channel_graph(model)
    after = {group.layers: group.after for group in pruned.groups}
    kept = np.array([after.get(group.layers, len(group.channels)) for group in graph.groups])
    assert sizes(model, graph).params(kept) == pruned.model.count_params()
