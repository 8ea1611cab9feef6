"""Operators and functions become layers: same outputs, same weights in the same order, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
from support import operators
from support.operators import WRITTEN, X, keras, layers, network, tf

from tinyc.network import sources
from tinyc.network.rewriting import layering
from tinyc.network.rewriting.function_layers import FUNCTION_LAYERS, function_of, is_function
from tinyc.network.rewriting.functions import in_layers


@pytest.mark.parametrize("name", WRITTEN)
def test_what_people_write_becomes_layers(name):
    model = network(WRITTEN[name])
    said = list[str]()
    made = in_layers(model, said.append)
    assert operators.kinds(model) & {*FUNCTION_LAYERS}
    assert not operators.kinds(made) & {*FUNCTION_LAYERS}
    np.testing.assert_allclose(made(X), model(X), rtol=1e-4, atol=1e-5)
    assert [weight.shape for weight in made.weights] == [weight.shape for weight in model.weights]
    for new, old in zip(made.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    assert made.get_layer("after").kernel is not model.get_layer("after").kernel
    assert len(said) == 1
    assert said[0].startswith("functions of TensorFlow became layers (")


@pytest.mark.parametrize("name", ["hard swish", "hard swish, divided"])
def test_a_hard_swish_is_one_layer(name):
    made = in_layers(network(WRITTEN[name]))
    assert [type(layer).__name__ for layer in made.layers[3:-3]] == ["HardSwish"]


def nearly(x):
    """A gate that something else reads as well, another slope, and one that is shared."""
    clipped = tf.nn.relu6(x + 3.0)
    return x * clipped / 6 + clipped, x * tf.nn.relu6(x + 3.0) / 5, x * tf.nn.relu6(x + 2.0) / 6


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_only_looks_like_a_hard_swish_is_none(place):
    model = network(lambda x: nearly(x)[place])
    made = in_layers(model)
    assert "HardSwish" not in operators.kinds(made)
    np.testing.assert_allclose(made(X), model(X), rtol=1e-4, atol=1e-5)


def test_a_network_of_layers_is_left_alone():
    model = network(layers.ReLU())
    assert in_layers(model) is model


def test_what_has_no_form_stays_and_is_said():
    model = network(lambda x: tf.math.erf(x) + tf.reverse(x, [1]) * 2)
    said = list[str]()
    made = in_layers(model, said.append)
    left = [layer.name for layer in made.layers if is_function(layer)]
    assert len(left) == 2
    assert "tf.math.erf" in said[1]
    assert "tf.reverse" in said[1]
    np.testing.assert_allclose(made(X), model(X), rtol=1e-5, atol=1e-6)


def integers(x):
    return x * tf.cast(tf.cast(x, tf.int32) + 1, tf.float32)


@pytest.mark.parametrize("written", [lambda x: x / tf.reduce_sum(x), integers, lambda x: x + tf.reduce_mean(x, 0)])
def test_what_reaches_over_the_batch_or_is_no_float_keeps_its_value(written):
    model = network(written)
    np.testing.assert_allclose(in_layers(model)(X[:5]), model(X[:5]), rtol=1e-5, atol=1e-5)


def test_a_layer_that_computes_something_else_is_not_taken(monkeypatch):
    monkeypatch.setitem(layering.FORMS, "tanh", lambda use: layers.ReLU(name=use.name)(use.x))
    model = network(lambda x: tf.abs(tf.tanh(x)) + 1.0)
    said = list[str]()
    made = in_layers(model, said.append)
    assert [function_of(layer) for layer in made.layers if is_function(layer)] == ["tf.math.tanh"]
    np.testing.assert_allclose(made(X), model(X), rtol=1e-5, atol=1e-6)
    assert "tanh" in said[1]


def test_one_layer_that_calls_a_function_twice_stays_equal():
    image = keras.Input(X.shape[1:])
    shared = layers.Conv2D(3, 1)
    model = keras.Model(image, layers.GlobalAveragePooling2D()(shared(shared(image) * 2.0) - shared(image)))
    made = in_layers(model)
    np.testing.assert_allclose(made(X), model(X), rtol=1e-5, atol=1e-6)
    assert made.count_params() == model.count_params()


@pytest.mark.parametrize("kind", ["net.h5", "net.keras", "net"])
def test_a_saved_network_comes_in_as_layers_and_is_stored_as_such(kind, tmp_path):
    model = network(lambda x: WRITTEN["over channels"](WRITTEN["hard swish"](many(x))))
    model.save(tmp_path / kind)
    read = sources.read_network(tmp_path / kind, "here")
    read.save(tmp_path / "own.h5")
    again = sources.read_own(tmp_path / "own.h5", "here")
    assert not operators.kinds(again) & {*FUNCTION_LAYERS}
    for made in (read, again, keras.models.clone_model(again)):
        made.set_weights(model.get_weights())
        np.testing.assert_allclose(made(X), model(X), rtol=1e-4, atol=1e-5)


def many(x):
    return WRITTEN["by channel"](tf.pad(WRITTEN["split"](x), [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC"))
