"""Surgery is exact: silencing the chosen channels first gives the same outputs as removing them."""

import numpy as np
import pytest
from support.pruning_networks import (
    CLASSES,
    FAMILIES,
    choose,
    family,
    images,
    randomized,
    relative_error,
    shipped,
    zeroed,
)

from tinyc.compression.pruning.importance import Examples
from tinyc.compression.pruning.layer_amounts import resolve_amounts
from tinyc.compression.pruning.structured import Ranking
from tinyc.compression.pruning.surgery import remove_channels

EXAMPLES = Examples(images(64, seed=9), np.arange(64) % CLASSES)


def pruned_and_zeroed(model, ranking):
    amounts = resolve_amounts(model, ranking.fraction, [], [], "prune")
    choice = choose(model, ranking, amounts, "prune", EXAMPLES)
    return remove_channels(model, choice.graph, choice.keep), zeroed(model, choice.graph, choice.keep), choice


@pytest.mark.parametrize(
    ("importance", "scope"), [("l1", "group"), ("l2", "global"), ("bn_scale", "group"), ("taylor", "global")]
)
@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_and_importance(name, importance, scope):
    model = family(name)
    before = [weight.copy() for weight in model.get_weights()]
    smaller, silent, choice = pruned_and_zeroed(model, Ranking(0.4, importance, scope))
    assert choice.removals.sum() > 0
    assert smaller.count_params() < model.count_params()
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    assert relative_error(smaller, silent, images()) <= 1e-5
    assert relative_error(smaller, model, images()) > 1e-3
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    assert not {id(layer) for layer in smaller.layers} & {id(layer) for layer in model.layers}


def test_resnet50_at_a_third():
    model = randomized(shipped("resnet50", (16, 16, 1)))
    smaller, silent, choice = pruned_and_zeroed(model, Ranking(0.3))
    assert [(each.layer, each.why) for each in choice.skipped] == [("logits", "it gives the network's output")]
    assert smaller.get_layer("conv2_block1_3_conv").filters == 256 - 76
    assert relative_error(smaller, silent, images(2, (16, 16, 1))) <= 1e-5
