"""Cross-layer equalization and the folding before it: the same function, and one range for a pair's channels."""

from __future__ import annotations

import numpy as np
import pytest
from support import artifacts

from tinyc.network import backend
from tinyc.quantization.equalization import equalize
from tinyc.quantization.folding import fold_batch_norms


def drawn(model, seed=3):
    """Weights of very different sizes, channel by channel; variances stay positive."""
    draw = np.random.default_rng(seed)
    model.set_weights([np.abs(w + draw.standard_normal(w.shape) * draw.uniform(0.1, 2, w.shape[-1:])) for w in
                       model.get_weights()])  # fmt: skip
    return model


def network(activation):
    """Convolution, depthwise convolution and dense layers in a row, with normalization, pooling and a Flatten."""
    keras = backend.keras()
    layers = keras.layers
    images = layers.Input((8, 8, 2))
    x = layers.Conv2D(5, 3, use_bias=False, name="conv")(images)
    x = activation()(layers.BatchNormalization(name="norm")(x))
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = activation()(layers.BatchNormalization(center=False, name="depthwise_norm")(x))
    x = layers.Conv2D(4, 1, activation="relu", name="pointwise")(layers.ZeroPadding2D()(x))
    x = layers.Flatten()(layers.MaxPooling2D()(x))
    x = layers.Dense(6, name="inner")(x)
    x = activation()(layers.BatchNormalization(scale=False, name="inner_norm")(x))
    return drawn(keras.Model(images, layers.Dense(3, name="logits")(x), name="net"))


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(1).standard_normal((16, 8, 8, 2)).astype(np.float32)


def test_folding_computes_the_same_without_normalization(samples):
    model = network(backend.keras().layers.ReLU)
    folded = fold_batch_norms(model)
    assert not [layer for layer in folded.layers if "Normalization" in type(layer).__name__]
    assert [layer.name for layer in folded.layers] == [layer.name for layer in model.layers]
    np.testing.assert_allclose(folded(samples), model(samples), rtol=1e-4, atol=1e-3)


def test_a_normalization_that_others_read_past_stays():
    keras = backend.keras()
    layers = keras.layers
    images = layers.Input((8, 8, 2))
    x = layers.Conv2D(3, 3, name="shared")(images)
    both = layers.Add()([layers.BatchNormalization(name="norm")(x), x])
    early = layers.BatchNormalization(name="early")(layers.Conv2D(3, 3, activation="relu", name="bent")(images))
    folded = fold_batch_norms(keras.Model(images, layers.Add()([both, early])))
    assert [layer.name for layer in folded.layers if "Normalization" in type(layer).__name__] == ["norm", "early"]


def test_pairs_get_one_range_and_the_network_stays(samples):
    model = network(backend.keras().layers.ReLU)
    before = model.get_weights()
    made = equalize(model, samples)
    assert made.pairs == (
        ("conv", "depthwise"),
        ("depthwise", "pointwise"),
        ("pointwise", "inner"),
        ("inner", "logits"),
    )
    np.testing.assert_allclose(made.model(samples), model(samples), rtol=1e-3, atol=1e-3)
    assert made.difference == pytest.approx(float(np.abs(made.model(samples) - model(samples)).max()))
    assert made.largest > 1.5
    inner, logits = (made.model.get_layer(name).kernel.numpy() for name in ("inner", "logits"))
    np.testing.assert_allclose(np.abs(inner).max(axis=0), np.abs(logits).max(axis=1), rtol=0.01)
    pointwise = np.abs(made.model.get_layer("pointwise").kernel.numpy()).max(axis=(0, 1, 2))
    np.testing.assert_allclose(pointwise, np.abs(inner.reshape(-1, 4, 6)).max(axis=(0, 2)), rtol=0.01)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))


def test_relu6_joins_nothing(samples):
    made = equalize(network(lambda: backend.keras().layers.ReLU(6.0)), samples)
    assert made.pairs == (("pointwise", "inner"),)


def test_shortcuts_join_nothing():
    model = artifacts.network()
    made = equalize(model, artifacts.samples(8))
    assert made.pairs == tuple((f"stage{n}_a_conv", f"stage{n}_b_conv") for n in (1, 2, 3))
    np.testing.assert_allclose(made.model(artifacts.samples(8)), model(artifacts.samples(8)), atol=1e-3)


def test_dead_channels_keep_their_weights(samples):
    model = network(backend.keras().layers.ReLU)
    kernel, bias = model.get_layer("pointwise").get_weights()
    kernel[..., 1] = 0
    model.get_layer("pointwise").set_weights([kernel, bias])
    made = equalize(model, samples)
    assert all(np.isfinite(weights).all() for weights in made.model.get_weights())
    np.testing.assert_allclose(made.model(samples), model(samples), rtol=1e-3, atol=1e-3)
