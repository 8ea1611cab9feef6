"""Surgery is exact: silencing the chosen channels first gives the same outputs as removing them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pruning_networks import CLASSES, FAMILIES, SHAPE, images, randomized, relative_error, shipped, zeroed

from tinyc import backend
from tinyc.pruning.aims import resolve
from tinyc.pruning.importance import Examples
from tinyc.pruning.structured import Ranking, choose
from tinyc.pruning.surgery import remove_channels

EXAMPLES = Examples(images(64, seed=9), np.arange(64) % CLASSES)


def pruned_and_zeroed(model, ranking):
    aims = resolve(model, ranking.fraction, [], [], "prune")
    choice = choose(model, ranking, aims, "prune", EXAMPLES)
    return remove_channels(model, choice.graph, choice.keep), zeroed(model, choice.graph, choice.keep), choice


@pytest.mark.parametrize(
    ("importance", "scope"), [("l1", "group"), ("l2", "global"), ("bn_scale", "group"), ("taylor", "global")]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_and_importance(family, importance, scope):
    model = randomized(FAMILIES[family]())
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


STEPS = ("conv", "bn", "relu", "depthwise", "separable", "pool", "pad", "add", "concatenate", "gate", "prelu", "twice")


def grown(steps, widths, head):
    """Build a network step by step; joining steps take the last earlier tensor that fits."""
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(widths[0], 3, padding="same")(image)
    earlier = [x]
    for step, width in zip(steps, widths, strict=True):
        fits = [tensor for tensor in earlier if tensor.shape[1:3] == x.shape[1:3]]
        same = [tensor for tensor in fits if tensor.shape == x.shape and tensor is not x]
        x = {
            "conv": lambda x, w, f, s: layers.Conv2D(w, 3, padding="same", activation="relu")(x),
            "bn": lambda x, w, f, s: layers.BatchNormalization()(x),
            "relu": lambda x, w, f, s: layers.ReLU(6.0)(x),
            "depthwise": lambda x, w, f, s: layers.DepthwiseConv2D(2, padding="same", depth_multiplier=1 + w % 2)(x),
            "separable": lambda x, w, f, s: layers.SeparableConv2D(w, 2, padding="same")(x),
            "pool": lambda x, w, f, s: layers.MaxPooling2D(2)(x) if x.shape[1] > 2 else x,
            "pad": lambda x, w, f, s: layers.ZeroPadding2D(1)(x) if x.shape[1] < 9 else x,
            "add": lambda x, w, f, s: layers.Add()([x, s[-1] if s else layers.Conv2D(x.shape[-1], 1)(x)]),
            "concatenate": lambda x, w, f, s: layers.Concatenate()([f[0], x]) if f else x,
            "gate": lambda x, w, f, s: layers.Multiply()([x, s[0] if s else layers.ReLU()(x)]),
            "prelu": lambda x, w, f, s: layers.PReLU()(x),
            "twice": lambda x, w, f, s: layers.Maximum()([x, layers.Conv2D(x.shape[-1], 3, padding="same")(x)]),
        }[step](x, width, fits, same)
        earlier.append(x)
    x = layers.Flatten()(x) if head == "flatten" else layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(CLASSES, name="logits")(x))


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 9)), min_size=2, max_size=9),
    st.sampled_from(["flatten", "average"]),
    st.floats(0.1, 0.9),
    st.sampled_from(["group", "global"]),
    st.integers(1, 4),
)
def test_random_networks(plan, head, fraction, scope, round_to):
    steps, widths = zip(*plan, strict=True)
    model = randomized(grown(steps, widths, head))
    smaller, silent, choice = pruned_and_zeroed(model, Ranking(fraction, "l2", scope, round_to))
    assert relative_error(smaller, silent, images()) <= 1e-5
    for group, count in zip(choice.graph.groups, choice.removals, strict=True):
        kept = len(group.channels) - count
        assert kept >= 1
        assert count == 0 or kept % round_to == 0
    backend.free_memory()
