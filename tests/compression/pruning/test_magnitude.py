"""TFMOT's zeros are there after training, and stay through more training."""

import numpy as np
import pytest
from support.pruning_networks import CLASSES, FAMILIES, images, randomized

from tinyc.compression.clustering.keep import keep_structure
from tinyc.compression.pruning.magnitude import Sparsification, is_two_of_four, kernel, magnitude, sparsity, verify
from tinyc.core.errors import TinycError, UserError
from tinyc.network import backend

X, Y = images(64, seed=9), np.arange(64) % CLASSES


def trainer(epochs):
    def train(model, callbacks):
        loss = backend.keras().losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss)
        model.fit(X, Y, batch_size=8, epochs=epochs, callbacks=callbacks, verbose=0)

    return train


def nothing(model, callbacks):
    """Train nothing."""


@pytest.mark.parametrize(
    ("schedule", "train"), [("polynomial", nothing), ("polynomial", trainer(2)), ("constant", trainer(2))]
)
def test_each_layer_reaches_its_own_sparsity(schedule, train):
    model = randomized(FAMILIES["flattened"]())
    before = [weight.copy() for weight in model.get_weights()]
    targets = {"first": 0.5, "hidden": 0.8} | {layer.name: 0.5 for layer in model.layers[1:4]}
    pruned = magnitude(model, Sparsification(targets, schedule=schedule, steps=16), train, "prune")
    assert pruned.reached["first"] == pytest.approx(0.5, abs=0.01)
    assert pruned.reached["hidden"] == pytest.approx(0.8, abs=0.01)
    assert sparsity(pruned.model.get_layer("logits").get_weights()[0]) == 0
    assert not pruned.skipped
    assert [layer.name for layer in pruned.model.layers] == [layer.name for layer in model.layers]
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    assert pruned.model(X, training=False).shape == (64, CLASSES)


@pytest.mark.parametrize("train", [nothing, trainer(1)])
def test_two_of_four(train):
    model = randomized(FAMILIES["mobile"]())
    options = Sparsification({layer.name: 0.5 for layer in model.layers}, "2:4", steps=8)
    pruned = magnitude(model, options, train, "prune")
    assert is_two_of_four(kernel(pruned.model, "separable"))
    assert pruned.reached["separable"] == 0.5
    assert {each.why for each in pruned.skipped} == {"TFMOT prunes no weight of DepthwiseConv2D"}


def test_polynomial_ends_on_an_update_of_the_masks():
    for steps in (0, 1, 2, 7, 100, 151, 5000):
        options = Sparsification({}, steps=steps)
        assert options.last % options.every == 0
        assert 1 <= options.last <= max(1, steps)
        assert options.last // options.every <= 75


def test_a_layer_called_twice_is_left_alone():
    keras = backend.keras()
    image = keras.Input((6,))
    twice = keras.layers.Dense(6, name="twice")
    model = keras.Model(image, keras.layers.Dense(CLASSES, name="logits")(twice(twice(image))))
    pruned = magnitude(model, Sparsification({"twice": 0.5, "logits": 0.5}), nothing, "prune")
    assert [(each.layer, each.why) for each in pruned.skipped] == [("twice", "it is called more than once")]
    with pytest.raises(UserError, match="no selected layer has weights that TFMOT prunes"):
        magnitude(model, Sparsification({"twice": 0.5}), nothing, "prune")


def test_missing_zeros_are_an_error():
    weight = np.ones((3, 3, 8, 8))
    weight[..., :3] = 0
    verify("conv", weight, "unstructured", 0.38)
    with pytest.raises(TinycError, match=r"layer 'conv': reached sparsity 0.375 of 0.500"):
        verify("conv", weight, "unstructured", 0.5)
    with pytest.raises(TinycError, match="more than two of four"):
        verify("conv", weight, "2:4", 0.5)


def test_zeros_survive_more_training():
    model = randomized(FAMILIES["flattened"]())
    sparse = magnitude(model, Sparsification({"second": 0.7, "hidden": 0.5}), nothing, "prune").model
    before = {name: kernel(sparse, name) for name in ("first", "second", "hidden")}
    trainer(1)(sparse, keep_structure(sparse))
    for name, old in before.items():
        new = kernel(sparse, name)
        assert np.array_equal(new == 0, old == 0)
        assert not np.array_equal(new, old)
    trainer(1)(sparse, [])
    assert sparsity(kernel(sparse, "hidden")) < 0.1


def test_a_dense_network_needs_no_callback():
    assert keep_structure(randomized(FAMILIES["flattened"]())) == []
