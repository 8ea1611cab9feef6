"""Statistics of batch normalization: those of the training examples, with all else as it was."""

from __future__ import annotations

import numpy as np
from support import artifacts

from tinyc.data.inputs import inputs
from tinyc.network import backend
from tinyc.quantization.batch_statistics import reestimate


def network(dropout):
    keras = backend.keras()
    layers = keras.layers
    backend.seed_everything(2)
    images = layers.Input((14, 14, 1))
    x = layers.Dropout(dropout)(layers.Conv2D(3, 3, name="conv")(images))
    x = layers.BatchNormalization(name="norm")(x)
    return keras.Model(images, layers.Dense(10)(layers.GlobalAveragePooling2D()(layers.ReLU()(x))))


def test_statistics_are_those_of_the_examples_without_dropout():
    model = network(0.9)
    data = artifacts.data()
    before = [weight.copy() for weight in model.get_weights()]
    made, seen = reestimate(model, data, artifacts.TASK, 1)
    assert seen == len(data.train)
    features = model.get_layer("conv")(inputs(data.train.x, artifacts.TASK)).numpy()
    norm = made.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, features.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, features.var(axis=(0, 1, 2)), rtol=1e-2)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))
    trained = [np.array_equal(one, other) for one, other in zip(before, made.get_weights(), strict=True)]
    assert trained == [True, True, True, True, False, False, True, True]


def test_a_network_without_normalization_comes_back():
    keras = backend.keras()
    images = keras.layers.Input((14, 14, 1))
    plain = keras.Model(images, keras.layers.Dense(10)(keras.layers.Flatten()(images)))
    assert reestimate(plain, artifacts.data(), artifacts.TASK, 1) == (plain, 0)


def test_several_batches_are_averaged(monkeypatch):
    from tinyc.quantization import batch_statistics

    monkeypatch.setattr(batch_statistics, "BATCH", 50)
    model = network(0.0)
    made, seen = reestimate(model, artifacts.data(), artifacts.TASK, 1)
    assert seen == 200
    features = model.get_layer("conv")(inputs(artifacts.data().train.x, artifacts.TASK)).numpy()
    np.testing.assert_allclose(made.get_layer("norm").moving_mean, features.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-5)
