"""Surgery is exact on networks that nobody drew: silencing channels first gives the outputs of removing them."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import attention_networks
from support.optional import not_none
from support.pruning_networks import (
    APPLICATIONS,
    CLASSES,
    SHAPE,
    application,
    images,
    randomized,
    relative_error,
    zeroed,
)

from tinyc.compression.pruning.costs import costs
from tinyc.compression.pruning.graph import channel_graph, shrunk
from tinyc.compression.pruning.surgery import remove_channels
from tinyc.network import backend

STEPS = (
    "conv", "bn", "relu6", "depthwise", "separable", "grouped", "pool", "average", "pad", "add", "mean", "concatenate",
    "excite", "prelu", "residual", "inverted", "dense_block", "reshape", "dense",
)  # fmt: skip
HEADS = ("flatten", "average", "max", "hidden")


def conv(layers, x, width, size=3, **options):
    return layers.Conv2D(width, size, padding="same", **options)(x)


def excited(layers, x, width):
    """Squeeze and excitation."""
    channels = x.shape[-1]
    y = layers.Dense(width, activation="relu")(layers.GlobalAveragePooling2D(keepdims=width % 2 == 0)(x))
    return layers.Multiply()([x, layers.Reshape((1, 1, channels))(layers.Dense(channels, activation="sigmoid")(y))])


def inverted(layers, x, width):
    """MobileNet v2's block: expand, depthwise, project, add."""
    y = layers.ReLU(6.0)(layers.BatchNormalization()(conv(layers, x, 2 * width, 1, use_bias=False)))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    return layers.Add()([x, layers.BatchNormalization()(conv(layers, y, x.shape[-1], 1, use_bias=False))])


def residual(layers, x, width):
    """ResNet v2's block where the width is even, v1's where it is odd."""
    y = layers.ReLU()(layers.BatchNormalization()(x)) if width % 2 == 0 else x
    y = layers.ReLU()(layers.BatchNormalization()(conv(layers, y, width)))
    y = layers.Add()([x, conv(layers, y, x.shape[-1])])
    return layers.ReLU()(y) if width % 2 else y


def grouped(layers, x, width):
    """A convolution in as many groups as the channels allow, up to the width."""
    groups = max(each for each in range(1, width + 1) if x.shape[-1] % each == 0)
    return conv(layers, x, groups * (1 + width % 3), groups=groups)


def grown(plan, head):
    """Build a network step by step; joining steps take the last earlier tensor that fits."""
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE, name="image")
    x = conv(layers, image, plan[0][1])
    earlier = [x]
    for step, width in plan:
        fits = [tensor for tensor in earlier if tensor.shape[1:3] == x.shape[1:3]]
        same = [tensor for tensor in fits if tensor.shape == x.shape and tensor is not x]
        x = {
            "conv": lambda x, w, f, s: conv(layers, x, w, activation="relu"),
            "bn": lambda x, w, f, s: layers.BatchNormalization()(x),
            "relu6": lambda x, w, f, s: layers.ReLU(6.0)(x),
            "depthwise": lambda x, w, f, s: layers.DepthwiseConv2D(2, padding="same", depth_multiplier=1 + w % 2)(x),
            "separable": lambda x, w, f, s: layers.SeparableConv2D(w, 2, padding="same", depth_multiplier=1 + w % 2)(x),
            "grouped": lambda x, w, f, s: grouped(layers, x, w),
            "pool": lambda x, w, f, s: layers.MaxPooling2D(2)(x) if x.shape[1] > 2 else x,
            "average": lambda x, w, f, s: layers.AveragePooling2D(2, 1)(x) if x.shape[1] > 2 else x,
            "pad": lambda x, w, f, s: layers.ZeroPadding2D(((0, 1), (0, 1)))(x) if x.shape[1] < 9 else x,
            "add": lambda x, w, f, s: layers.Add()([x, s[-1] if s else conv(layers, x, x.shape[-1], 1)]),
            "mean": lambda x, w, f, s: layers.Average()([x, *s[:2], conv(layers, x, x.shape[-1])]),
            "concatenate": lambda x, w, f, s: layers.Concatenate()([f[0], x]),
            "excite": lambda x, w, f, s: excited(layers, x, w),
            "prelu": lambda x, w, f, s: layers.PReLU(shared_axes=[1, 2] if w % 2 else None)(x),
            "residual": lambda x, w, f, s: residual(layers, x, w),
            "inverted": lambda x, w, f, s: inverted(layers, x, w),
            "dense_block": lambda x, w, f, s: layers.Concatenate()([x, conv(layers, layers.ReLU()(x), w)]),
            "reshape": lambda x, w, f, s: layers.Reshape((x.shape[2], x.shape[1], x.shape[3]))(x),
            "dense": lambda x, w, f, s: layers.Dense(w, activation="relu")(x),
        }[step](x, width, fits, same)
        earlier.append(x)
    end = {
        "flatten": [layers.Flatten()],
        "average": [layers.GlobalAveragePooling2D()],
        "max": [layers.GlobalMaxPooling2D()],
        "hidden": [layers.Flatten(), layers.Dense(plan[-1][1]), layers.ReLU()],
    }[head]
    for layer in end:
        x = layer(x)
    return randomized(keras.Model(image, layers.Dense(CLASSES, name="logits")(x)))


def some_kept(graph, seed, share):
    """Keep channels at random, whatever their importance; of each group that may be cut, at least one."""
    random = np.random.default_rng(seed)
    keep = np.ones(graph.count, dtype=bool)
    for group in graph.groups:
        if group.blocked is None:
            keep[group.channels] = random.random(len(group.channels)) > share
            keep[random.choice(group.channels)] = True
    return keep


def is_exact(model, seed, share, x):
    """Check that cutting equals silencing, that the costs foretell the parameters, and that graphs follow."""
    graph = channel_graph(model)
    keep = some_kept(graph, seed, share)
    smaller = remove_channels(model, graph, keep)
    assert relative_error(smaller, zeroed(model, graph, keep), x) <= 1e-5
    found = costs(model, graph)
    assert found.total(keep)[0] == smaller.count_params()
    after = shrunk(graph, keep)
    left = costs(smaller, after)
    assert np.allclose(left.total(np.ones(after.count, dtype=bool)), found.total(keep))
    backend.keras().backend.clear_session()
    return int((~keep).sum())


@example([("conv", 8), ("grouped", 8), ("conv", 8), ("grouped", 2), ("residual", 4)], "average", 1, 0.5)
@example([("conv", 6), ("grouped", 3), ("dense_block", 3), ("grouped", 3), ("excite", 2)], "flatten", 2, 0.4)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 8)), min_size=4, max_size=8),
    st.sampled_from(HEADS),
    st.integers(0, 99),
    st.floats(0.1, 0.9),
)
def test_convolutional_networks(plan, head, seed, share):
    is_exact(grown(plan, head), seed, share, images())


@settings(max_examples=max(3, not_none(settings.default).max_examples // 8))
@given(
    st.integers(1, 4), st.integers(1, 3), st.sampled_from(["relu", "gelu"]), st.booleans(), st.integers(0, 99),
    st.floats(0.2, 0.8),
)  # fmt: skip
def test_transformers(heads, head_width, activation, pooler, seed, share):
    pool = "mean" if seed % 2 else "first"
    model = attention_networks.encoder(
        heads, head_width=head_width, activation=activation, pooler=pooler, embedding=5, pool=pool
    )
    is_exact(model, seed, share, attention_networks.ids())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if "Mobile" not in name else ()) for name in APPLICATIONS]
)
def test_published_networks(name):
    model = randomized(application(name, **APPLICATIONS[name]))
    assert is_exact(model, 1, 0.4, images(2, (32, 32, 3))) > 100


def test_many_narrow_groups_go_whole_and_few_wide_ones_evenly():
    keras = backend.keras()
    image = keras.Input(SHAPE, name="image")
    x = keras.layers.Conv2D(12, 1, name="before")(image)
    x = keras.layers.Conv2D(18, 3, groups=6, name="narrow")(x)
    x = keras.layers.Conv2D(8, 3, groups=2, name="wide")(keras.layers.ReLU()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = randomized(keras.Model(image, keras.layers.Dense(CLASSES, name="logits")(x)))
    graph = channel_graph(model)
    open_groups = {group.layers: len(group.channels) for group in graph.groups if group.blocked is None}
    assert open_groups[("wide",)] == 4
    keep = np.ones(graph.count, dtype=bool)
    for group in graph.groups:
        if group.blocked is None:
            keep[group.channels[0]] = False
    smaller = remove_channels(model, graph, keep)
    wide, narrow = smaller.get_layer("wide"), smaller.get_layer("narrow")
    assert (wide.groups, wide.filters) == (2, 6)
    assert (narrow.groups, narrow.filters) == (4, 12)  # `wide` ties each group to the third after it
    assert smaller.get_layer("before").filters == 8
    assert relative_error(smaller, zeroed(model, graph, keep), images()) <= 1e-5
