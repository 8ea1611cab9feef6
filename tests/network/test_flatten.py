"""Nested networks become one flat graph with the same outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.flatten import flat

IMAGES = np.random.default_rng(0).standard_normal((3, 8, 8, 2)).astype(np.float32)


def body(name: str, training: bool | None = None) -> Any:
    """A residual block with normalization whose statistics are not the initial ones."""
    keras = backend.keras()
    image = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(2, 3, padding="same", name=f"{name}_conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    model = keras.Model(image, keras.layers.Add(name=f"{name}_add")([x, image]), name=name)
    model.get_layer("norm").set_weights([np.full(2, value) for value in (1.5, 0.3, 0.2, 2.0)])
    return model


def nested() -> Any:
    """A functional network in a functional one in a sequential one, one of them used twice."""
    keras = backend.keras()
    layers = keras.layers
    shared, fixed = body("shared"), body("fixed")
    image = keras.Input((8, 8, 2), name="image")
    x = shared(shared(image))
    inner = keras.Model(image, layers.ReLU(name="relu")(fixed(x, training=False)), name="inner")
    tail = keras.Sequential([layers.GlobalAveragePooling2D(name="pool"), layers.Dense(3, name="head")], name="tail")
    return keras.Sequential([keras.Input((8, 8, 2)), inner, tail])


@pytest.fixture
def keras() -> Any:
    return backend.keras()


def test_outputs_weights_and_names_stay(keras: Any) -> None:
    model = nested()
    one = flat(model, "here")
    assert not [layer.name for layer in one.layers if isinstance(layer, keras.Model)]
    assert np.allclose(model(IMAGES, training=False), one(IMAGES, training=False), atol=1e-6)
    assert one.count_params() == model.count_params()
    names = {layer.name for layer in one.layers}
    assert {"shared_conv", "shared_add", "norm", "fixed_conv", "relu", "pool", "head"} <= names
    assert len(names) == len(one.layers)


def test_a_network_called_with_training_false_keeps_its_statistics_in_training(keras: Any) -> None:
    model = nested()
    one = flat(model, "here")
    assert np.allclose(model(IMAGES, training=True), one(IMAGES, training=True), atol=1e-5)


def test_the_copy_stands_alone(keras: Any) -> None:
    model = nested()
    before = [weight.copy() for weight in model.get_weights()]
    one = flat(model, "here")
    one.set_weights([weight * 0 for weight in one.get_weights()])
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_tfmot_takes_the_flat_network(keras: Any) -> None:
    wrapped = backend.tfmot().sparsity.keras.prune_low_magnitude(flat(nested(), "here"))
    assert wrapped.output_shape == (None, 3)


def test_a_flat_network_is_left_alone(keras: Any) -> None:
    model = body("alone")
    assert flat(model, "here") is model


def test_a_frozen_layer_stays_frozen(keras: Any) -> None:
    inner = body("inner")
    inner.trainable = False
    image = keras.Input((8, 8, 2))
    one = flat(keras.Model(image, inner(image)), "here")
    assert one.trainable_weights == []


def test_a_layer_that_cannot_be_copied_is_named(keras: Any) -> None:
    class Own(keras.layers.Layer):
        def __init__(self, needed: int) -> None:
            super().__init__(name="own")
            self.needed = needed

        def call(self, x: Any) -> Any:
            return x

    image = keras.Input((4,))
    inner = keras.Model(image, Own(3)(image))
    with pytest.raises(UserError, match=r"layer 'own': its class Own cannot be copied") as caught:
        flat(keras.Model(image, inner(image)), "here")
    assert "get_config" in caught.value.remedy
