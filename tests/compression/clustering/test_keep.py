"""Tables and zeros survive training, in every wrapper; what is not a table is left free."""

from __future__ import annotations

import numpy as np
import pytest
from support import networks_of_tables as networks

from tinyc.compression.clustering.keep import few_valued, keep_structure, tables
from tinyc.compression.clustering.kernels import kernels
from tinyc.compression.clustering.tables import channels, distinct
from tinyc.core.errors import UserError
from tinyc.network import backend

NAMES = ["conv", "depthwise", "second", "hidden", "logits"]


def groups(weight, axis):
    """Which numbers are equal: the first place of each number's value in its channel."""
    return [np.unique(row, return_inverse=True)[1] for row in channels(weight, axis)]


def same_groups(model, before):
    """Say whether what was equal is equal still; two means may have met."""
    for kernel in kernels(model):
        new = channels(kernel.read(model), kernel.axis)
        for row, old in zip(new, groups(before[kernel.layer], kernel.axis), strict=True):
            for cluster in range(old.max() + 1):
                if len(np.unique(row[old == cluster])) != 1:
                    return False
    return True


@pytest.mark.parametrize(("sparsity", "per"), [(0.0, "channel"), (0.6, "channel"), (0.3, "layer")])
def test_training_moves_the_values_and_keeps_who_shares_them(sparsity, per):
    model = networks.clustered(networks.mixed(), 4, sparsity, per)
    before = {kernel.layer: kernel.read(model) for kernel in kernels(model)}
    assert list(tables(model)) == NAMES
    assert max(tables(model).values()) == 4
    networks.train(model, keep_structure(model))
    assert same_groups(model, before)
    for kernel in kernels(model):
        after = kernel.read(model)
        assert np.array_equal(after == 0, before[kernel.layer] == 0)
        assert not np.array_equal(after, before[kernel.layer])
    networks.train(model, [], 1)
    assert tables(model) == {}


def test_values_move_by_the_mean_of_their_members():
    keras = backend.keras()
    image = keras.Input((6,))
    model = keras.Model(image, keras.layers.Dense(3, use_bias=False, name="only")(image))
    start = np.array([[1, 1, 1, 2, 2, 0], [3, 3, 3, 3, -1, -1], [0, 0, 5, 5, 5, 5]], np.float32).T
    model.get_layer("only").set_weights([start])
    [callback] = keep_structure(model)
    step = np.arange(18, dtype=np.float32).reshape(6, 3) / 8
    model.get_layer("only").set_weights([start + step])
    callback.on_train_batch_end(0, {})
    wanted = start.copy()
    for column in range(3):
        for value in np.unique(start[:, column]):
            members = start[:, column] == value
            wanted[members, column] += step[members, column].mean() if value else 0
    assert np.allclose(model.get_layer("only").get_weights()[0], wanted)


def test_at_rest_nothing_drifts():
    keras = backend.keras()
    model = keras.Sequential([keras.Input((3000,)), keras.layers.Dense(40, use_bias=False)])
    networks.clustered(model, 3, per="layer")
    before = model.get_weights()[0]
    [callback] = keep_structure(model)
    for _ in range(20):
        callback.on_train_batch_end(0, {})
    assert np.array_equal(model.get_weights()[0], before)


def test_what_is_no_table():
    fresh = networks.mixed()
    assert tables(fresh) == {}
    assert keep_structure(fresh) == []
    random = np.random.default_rng(1)
    drawn = random.normal(size=(3, 3, 4, 8)).astype(np.float32)
    sparse = drawn * (np.abs(drawn) > 1.6)
    two_of_four = drawn * (np.arange(4) % 2)[:, None]
    for weight in (drawn, sparse, two_of_four):
        assert few_valued("conv", weight, (-1,)) is None
        assert few_valued("conv", weight, ()) is None
    for constant in (0.0, 1.0):
        model = networks.mixed()
        model.get_layer("conv").set_weights([np.full((5, 5, 1, 8), constant, np.float32)])
        assert tables(model) == {}
        assert keep_structure(model) == []


def test_zeros_without_tables_are_kept():
    model = networks.mixed()
    kernel = model.get_layer("second").get_weights()[0]
    model.get_layer("second").set_weights([kernel * (np.abs(kernel) > np.median(np.abs(kernel)))])
    zeros = model.get_layer("second").get_weights()[0] == 0
    networks.train(model, keep_structure(model))
    after = model.get_layer("second").get_weights()[0]
    assert np.array_equal(after == 0, zeros)
    assert len(np.unique(after)) > 500


def test_inside_the_wrappers_of_qat():
    from tinyc.quantization.qat import quantization_aware

    model = networks.clustered(networks.mixed(), 4, 0.3)
    before = {kernel.layer: kernel.read(model) for kernel in kernels(model)}
    samples = np.random.default_rng(2).normal(size=(32, *networks.SHAPE)).astype(np.float32)
    wrapped = quantization_aware(model, samples).model
    assert sorted(tables(wrapped)) == sorted(tables(model)) == sorted(NAMES)
    networks.train(wrapped, keep_structure(wrapped))
    for kernel in kernels(model):
        layer = wrapped.get_layer(f"quant_{kernel.layer}")
        weight = next(each for each in layer.trainable_weights if len(each.shape) > 1).numpy()
        assert (distinct(weight, kernel.axis) <= 4).all()
        assert np.array_equal(weight == 0, before[kernel.layer] == 0)
        assert not np.array_equal(weight, before[kernel.layer])


def test_single_zeros_would_break_a_table():
    model = networks.clustered(networks.mixed(), 4)
    wrapped = backend.tfmot().sparsity.keras.prune_low_magnitude(model)
    with pytest.raises(UserError, match="layer 'conv' has a weight table of an earlier `cluster`"):
        keep_structure(wrapped)
    fresh = backend.tfmot().sparsity.keras.prune_low_magnitude(networks.mixed())
    assert keep_structure(fresh) == []


def test_inside_the_wrappers_for_transformers():
    from support import attention_networks

    from tinyc.quantization.fake_quant import unwrap, wrap

    model = networks.clustered(attention_networks.encoder(), 8)
    ids = np.random.default_rng(3).integers(0, 8, (16, attention_networks.TOKENS)).astype(np.int32)
    wrapped = wrap(model, ids, False).model
    expected = tables(model)
    assert expected
    assert max(expected.values()) == 8
    callbacks = keep_structure(wrapped)
    wrapped.compile("sgd", backend.keras().losses.SparseCategoricalCrossentropy(from_logits=True))
    wrapped.fit(ids, np.arange(16) % 3, batch_size=8, callbacks=callbacks, verbose=0)
    trained = unwrap(wrapped, model)
    assert tables(trained) == expected
    assert any(not np.array_equal(a, b) for a, b in zip(trained.get_weights(), model.get_weights(), strict=True))
