"""Clustered weights that train on: numbers change clusters, zeros and the number of values stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import artifacts
from support import networks_of_tables as networks
from support.lessons import Notes

from tinyc.compression.clustering.kernels import Kernel, kernels
from tinyc.compression.clustering.latent import follow
from tinyc.compression.clustering.tables import channels, distinct
from tinyc.network import backend
from tinyc.network.state import Net
from tinyc.spec.passes import apply
from tinyc.spec.passes.cluster import Cluster

HIDDEN = Kernel("hidden", "kernel", (-1,))


def dense(weight):
    keras = backend.keras()
    given = keras.Input((len(weight),))
    model = keras.Model(given, keras.layers.Dense(weight.shape[1], use_bias=False, name="hidden")(given))
    model.layers[1].set_weights([weight])
    return model


def test_a_number_that_is_pulled_away_long_enough_changes_its_cluster():
    before = np.array([[0.0, 1.0], [1.2, 1.0], [0.8, 3.0], [3.0, 2.8], [3.4, 0.0]], np.float32)
    shared = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 2.9], [3.2, 2.9], [3.2, 0.0]], np.float32)
    model = dense(shared)
    callback = follow(model, {HIDDEN: before}, "channel")
    kernel = model.layers[1].kernel
    callback.on_train_begin()
    for _ in range(3):
        moved = kernel.numpy()
        moved[1, 0] += 0.4
        kernel.assign(moved)
        callback.on_train_batch_end(0)
        assert np.array_equal(kernel.numpy()[:, 1], shared[:, 1])
        assert distinct(kernel.numpy(), -1).max() == 3
    latent = callback.checkpointed[0].numpy()
    assert np.allclose(latent[0, 1:], [2.4, 0.8, 3.0, 3.4])
    assert np.allclose(kernel.numpy()[:, 0], [0, (2.4 + 3.0 + 3.4) / 3, 0.8, *[(2.4 + 3.0 + 3.4) / 3] * 2])


@pytest.mark.parametrize("per", ["channel", "layer"])
@pytest.mark.parametrize("name", ["conv", "depthwise", "second", "hidden"])
def test_nothing_moves_where_no_step_was_taken(name, per):
    """Every layout of channels comes back as it was."""
    model = networks.clustered(networks.mixed(), 4, 0.5)
    kernel = next(each for each in kernels(model) if each.layer == name)
    before = kernel.read(model)
    callback = follow(model, {kernel: before}, per)
    callback.on_train_begin()
    callback.on_train_batch_end(0)
    assert np.allclose(kernel.read(model), before, rtol=1e-6, atol=0)


def test_training_with_latent_numbers_leaves_few_values_and_zeros(tmp_path):
    state = Net(networks.mixed(), artifacts.TASK)
    for name in ("second", "hidden"):
        layer = state.model.get_layer(name)
        kernel, *others = layer.get_weights()
        layer.set_weights([kernel * (np.abs(kernel) >= np.median(np.abs(kernel))), *others])
    cluster = Cluster(clusters=4, only=["second", "hidden"], epochs=2, batch=50, learning_rate=0.01)
    begun, trained = (
        apply(cluster.model_copy(update={"epochs": epochs}), state, artifacts.context(tmp_path, state)).state.model
        for epochs in (0, 2)
    )
    for kernel in kernels(trained):
        if kernel.layer in ("second", "hidden"):
            old, new = kernel.read(begun), kernel.read(trained)
            assert np.array_equal(old == 0, new == 0)
            assert distinct(new, kernel.axis).max() == 4
            row = channels(old, kernel.axis)[0], channels(new, kernel.axis)[0]
            assert len({*zip(*row, strict=True)}) > 4, "no number has changed its cluster"


def test_a_killed_pass_goes_on_with_its_latent_numbers(tmp_path):
    state = Net(networks.mixed(), artifacts.TASK)
    cluster = Cluster(clusters=4, epochs=2, batch=50, learning_rate=0.01)
    wanted = apply(cluster, state, artifacts.context(tmp_path / "undisturbed", state))
    lent = artifacts.context(tmp_path / "killed", state)
    examples = len(lent.data.train) // 50 * 50
    with pytest.raises(KeyboardInterrupt):
        apply(cluster, state, replace(lent, progress=Notes(fail_at=examples + 50)))
    outcome = apply(cluster, state, lent)
    assert outcome.facts == wanted.facts
    both = zip(outcome.state.model.get_weights(), wanted.state.model.get_weights(), strict=True)
    assert all(np.array_equal(first, second) for first, second in both)
