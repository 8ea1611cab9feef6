"""Multiply-accumulates of every Keras layer: those of the converted file, or none with the layer's name."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import chains
from support.attention_networks import encoder, own
from support.optional import not_none
from support.pruning_networks import randomized

from tinyc.analysis.sensitivity.cuts import channels as measurable
from tinyc.analysis.sensitivity.cuts import shares
from tinyc.compression.pruning.apply import reached
from tinyc.compression.pruning.costs import UNITS, costs
from tinyc.compression.pruning.graph import channel_graph
from tinyc.compression.pruning.layer_amounts import resolve_amounts
from tinyc.compression.pruning.products import FORMULAS, NONE, products
from tinyc.compression.pruning.structured import Ranking, channels
from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.float_tflite import to_float_tflite
from tinyc.spec.budget import Budget
from tinyc.tflite.read.flatbuffer import describe

keras = backend.keras()
tf = backend.tensorflow()
layers: Any = keras.layers


def chain(shape, *parts, classes=3):
    """A network of layers one behind the other, and a dense one at its end."""
    return chains.chain(shape, *parts, layers.Flatten(), layers.Dense(classes))


def itself(layer):
    return lambda x: layer([x, x])


def counted(model):
    found = costs(model, channel_graph(model))
    return dict(zip(UNITS, found.whole, strict=True))["macs"], found.uncounted


# The name of each type is that of the layer that is tried; what each multiplies was counted by hand as well.
NETWORKS = {
    "LSTM": (lambda: chain((8, 3), layers.LSTM(5)), 8 * 4 * 5 * (3 + 5) + 15),
    "GRU": (lambda: chain((8, 3), layers.GRU(5, reset_after=False)), 8 * 3 * 5 * (3 + 5) + 15),
    "SimpleRNN": (lambda: chain((8, 3), layers.SimpleRNN(5)), 8 * 5 * (3 + 5) + 15),
    "RNN": (
        lambda: chain((8, 3), layers.RNN([layers.LSTMCell(4), layers.GRUCell(5)])),
        8 * (4 * 4 * (3 + 4) + 3 * 5 * (4 + 5)) + 15,
    ),
    "Bidirectional": (
        lambda: chain((8, 3), layers.Bidirectional(layers.GRU(5), backward_layer=layers.LSTM(4, go_backwards=True))),
        8 * (3 * 5 * (3 + 5) + 4 * 4 * (3 + 4)) + 27,
    ),
    "TimeDistributed": (lambda: chain((4, 6, 3), layers.TimeDistributed(layers.LSTM(5))), 24 * 4 * 5 * 8 + 60),
    "ConvLSTM1D": (lambda: chain((3, 6, 2), layers.ConvLSTM1D(3, 3)), 3 * 4 * (3 * 2 * 12 + 3 * 3 * 12) + 36),
    "ConvLSTM2D": (
        lambda: chain((3, 6, 6, 2), layers.ConvLSTM2D(3, 3, strides=2, padding="same", return_sequences=True)),
        3 * 9 * (9 * 2 * 12 + 9 * 3 * 12) + 243,
    ),
    "Conv3D": (lambda: chain((4, 5, 5, 2), layers.Conv3D(4, (2, 3, 3))), 27 * 4 * 36 + 324),
    "Conv3DTranspose": (lambda: chain((3, 3, 3, 2), layers.Conv3DTranspose(2, 2, 2)), 54 * 16 + 3 * 432),
    "LocallyConnected1D": (lambda: chain((6, 2), layers.LocallyConnected1D(4, 3)), 4 * 4 * 6 + 48),
    "EinsumDense": (
        lambda: chain((6, 4), layers.EinsumDense("abc,cde->abde", output_shape=(None, 3, 2))),
        6 * 4 * 6 + 108,
    ),
    "MultiHeadAttention": (
        lambda: chain((6, 8), lambda x: layers.MultiHeadAttention(2, 3, value_dim=5)(x, x[:, :4])),
        6 * 8 * 6 + 4 * 8 * 6 + 4 * 8 * 10 + 6 * 10 * 8 + 6 * 4 * 2 * (3 + 5) + 144,
    ),
    "Attention": (lambda: chain((6, 8), itself(layers.Attention())), 6 * 6 * (8 + 8) + 144),
    "AdditiveAttention": (lambda: chain((6, 8), itself(layers.AdditiveAttention())), 6 * 6 * 8 + 144),
    "Dot": (lambda: chain((6, 8), itself(layers.Dot(axes=(2, 2)))), 6 * 6 * 8 + 108),
    "SeparableConv1D": (lambda: chain((8, 4), layers.SeparableConv1D(5, 3)), 6 * (12 + 20) + 90),
    "Conv1DTranspose": (lambda: chain((5, 2), layers.Conv1DTranspose(4, 3, 2)), 5 * 3 * 4 * 2 + 132),
    "TFOpLambda": (lambda: chain((6, 8), lambda x: tf.nn.relu6(x * 2 + 1.0)[:, ::2]), 72),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_macs_are_those_counted_by_hand_and_those_of_the_file(kind):
    build, macs = NETWORKS[kind]
    model = randomized(build())
    assert kind in {type(layer).__name__ for layer in model.layers}
    assert counted(model) == (macs, ())
    assert describe(to_float_tflite(model)).macs == macs


@pytest.mark.parametrize("build", [encoder, own])
def test_macs_of_transformers_are_those_of_the_file(build):
    model = build()
    assert counted(model) == (describe(to_float_tflite(model)).macs, ())


def odd(x):
    return layers.Lambda(lambda each: each * 2, name="odd")(x)


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: chain((6, 8), odd), "odd"),
        (lambda: chain((6, 8), lambda x: tf.matmul(x, x, transpose_b=True)), "tf.linalg.matmul"),
        (lambda: chain((6, 8), chain((6, 8), layers.Dense(2), classes=4)), "model"),
        (lambda: chain((None, 8), layers.LSTM(5, name="endless")), "endless"),
        (lambda: chain((6, 8), layers.RNN(Own(), name="mine")), "mine"),
    ],
)
def test_what_no_formula_counts_is_named(build, name):
    _, uncounted = counted(build())
    assert len(uncounted) == 1
    assert uncounted[0].startswith(name)


class Own(layers.LSTMCell):
    """A cell of somebody's own."""

    def __init__(self):
        super().__init__(5)


class Dense(layers.Dense):
    """Somebody's own layer that is called as Keras' is."""


def test_names_alone_count_for_nothing():
    assert products(Dense(4), [(None, 3)], (None, 4)) is None
    assert products(SimpleNamespace(), [(None, 3)], (None, 4)) is None
    assert products(layers.Conv2D(4, 3, data_format="channels_first"), [(None, 3, 9, 9)], (None, 4, 7, 7)) is None


def test_no_layer_of_keras_is_in_both_tables_and_all_are_its_own():
    assert not set(FORMULAS) & NONE
    blocks = {"Attention", "TokenPool", "TokenEmbedding", "PositionEmbedding", "PaddingMask", "LayerNorm", "Gelu"}
    operators = {"WithConstant", "Elementwise", "HardSwish", "Slice", "Rearrangement", "Reduction", "MatMul"}
    assert {name for name in (*FORMULAS, *NONE) if not hasattr(layers, name)} <= blocks | operators | {
        "SyncBatchNormalization",
        "Identity",
    }


def mixed():
    """Channels that can be cut beside a layer that nobody can count."""
    given = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, name="last")(layers.Conv2D(8, 3, name="first")(given)))
    return randomized(keras.Model(given, layers.Dense(3)(odd(x))))


def pruned(model, **options):
    return channels(model, Ranking(0.5, **options), resolve_amounts(model, 0.5, [], [], "prune"), "prune")


def test_a_budget_of_macs_is_refused_where_they_are_not_counted():
    with pytest.raises(UserError, match=r"prune\.budget\.macs: no formula counts .* of odd \(Lambda\)") as caught:
        pruned(mixed(), budget=Budget(macs="50 %"))
    assert "`params` or `file`" in caught.value.remedy
    for allowed in (Budget(params="50 %"), Budget(file="50 %")):
        assert pruned(mixed(), budget=allowed).uncounted == ("odd",)


def test_the_facts_of_a_pruning_have_no_macs_then_and_say_why():
    tuned: Any = [{}]
    facts = reached(pruned(mixed()), tuned, "channels")
    assert (facts["macs_before"], facts["macs_after"], facts["macs_not_counted_of"]) == (None, None, ["odd"])
    assert not_none(facts["int8_bytes_after"]) < not_none(facts["int8_bytes_before"])
    whole = reached(pruned(randomized(chain((8, 8, 3), layers.Conv2D(8, 3), layers.Conv2D(6, 3)))), tuned, "channels")
    assert "macs_not_counted_of" not in whole
    assert not_none(whole["macs_after"]) < not_none(whole["macs_before"])


def test_what_a_group_saves_is_known_beside_a_layer_that_nobody_counts():
    model = mixed()
    found = measurable(model)
    macs = {group.layers: share[1] for group, share in zip(found.groups, shares(model, found), strict=True)}
    assert macs == {("first",): 6 * 6 * 27 * 8 + 4 * 4 * 9 * 8 * 6}


def test_an_lstm_is_part_of_a_budget():
    model = randomized(chain((8, 8), layers.Conv1D(8, 3), layers.Conv1D(6, 3), layers.LSTM(4)))
    before = pruned(model, budget=Budget(params="95 %")).bills[0]["macs"]
    assert before == 6 * 3 * 64 + 4 * 3 * 48 + 4 * 4 * 4 * (6 + 4) + 12
    assert before == describe(to_float_tflite(model)).macs
    assert np.isfinite(before)
