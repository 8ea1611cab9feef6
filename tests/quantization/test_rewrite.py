"""Keras' own layers of transformers become blocks, with the difference measured."""

import numpy as np
import pytest
from support.attention_networks import TOKENS, encoder, ids, own
from support.pruning_networks import FAMILIES, randomized

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.rewriting.forms import in_blocks
from tinyc.quantization.rewrite import legal

EXACT = {
    "MultiHeadAttention": "Dense, Attention",
    "Embedding": "TokenEmbedding",
    "LayerNormalization": "LayerNorm",
    "gelu": "Gelu",
    "gelu in a layer": "Gelu behind it",
}


def outputs(model):
    return model(ids(), training=False).numpy()


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"output_shape": 8, "value_dim": 1}])
def test_exact_forms_are_equal(masked, options):
    model = own(masked, **options)
    before = [weight.copy() for weight in model.get_weights()]
    new, done = in_blocks(model, ids(), "prune")
    assert np.abs(outputs(new) - outputs(model)).max() < 1e-5
    assert {each["what"]: each["into"] for each in done} == EXACT
    assert all(each["difference"] is not None and each["difference"] < 1e-5 for each in done)
    assert not {type(layer).__name__ for layer in new.layers} & set(EXACT)
    assert [type(layer).__module__ for layer in new.layers if layer.name == "attention0"] == ["tinyc.network.blocks"]
    assert {"attention0_query", "attention0_output", "inner0", "inner0_gelu", "again0"} <= {
        layer.name for layer in new.layers
    }
    assert all(np.array_equal(old, kept) for old, kept in zip(before, model.get_weights(), strict=True))


def test_padding_is_masked():
    model, _ = in_blocks(own(), None, "prune")
    unmasked, _ = in_blocks(own(masked=False), None, "prune")
    assert [layer.name for layer in model.layers if type(layer).__name__ == "PaddingMask"]
    assert np.abs(outputs(model) - outputs(unmasked)).max() > 1e-3


def test_float_input_of_an_embedding_becomes_ids():
    new, _ = in_blocks(own(masked=False, dtype="float32"), ids(), "prune")
    assert new.inputs[0].dtype == "int32"


@pytest.mark.parametrize("form", ["tanh", "sigmoid"])
def test_gelu_is_close_and_its_difference_is_told(form):
    for model in (own(), encoder()):
        new, done = legal(model, ids(), form)
        exact, _ = in_blocks(model, None, "lowering")
        difference = np.abs(outputs(new) - outputs(exact)).max()
        bent = [each for each in done if each["into"] == f"Gelu of {form}"]
        assert len(bent) == (4 if model.name == "own" else 2)
        assert {each["difference"] for each in bent} == {float(difference)}
        assert 1e-6 < difference < (0.02 if form == "tanh" else 0.5)
        assert {layer.form for layer in new.layers if type(layer).__name__ == "Gelu"} == {form}


def test_a_legal_network_is_given_back():
    for model in (encoder(activation="relu"), FAMILIES["gated"]()):
        assert legal(model, None) == (model, ())
    new, done = legal(own())
    assert legal(new) == (new, ())
    assert {each["difference"] for each in done} == {None}


def refused(build):
    keras = backend.keras()
    image = keras.Input((TOKENS,), dtype="int32", name="ids")
    x = build(keras.layers, image)
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


def attended(layers, image, masked=None, **options):
    x = layers.Embedding(30, 8, name="tokens")(image)
    return layers.MultiHeadAttention(2, 4, name="culprit")(x, x, attention_mask=masked, **options)


def triangle(image):
    tf = backend.tensorflow()
    return tf.linalg.band_part(tf.not_equal(image, 0)[:, None, :] & tf.ones((1, TOKENS, TOKENS), tf.bool), -1, 0)


def masking(layers, image):
    x = layers.Masking()(layers.Reshape((TOKENS, 1))(backend.tensorflow().cast(image, "float32")))
    return layers.MultiHeadAttention(2, 4, name="culprit")(x, x)


def images(layers, image):
    x = layers.Embedding(30, 8)(layers.Reshape((TOKENS, 1))(image))
    return layers.MultiHeadAttention(2, 4, name="culprit")(x, x)


REFUSED = {
    "causal": (lambda layers, ids: attended(layers, ids, use_causal_mask=True), "causal mask"),
    "scores": (lambda layers, ids: attended(layers, ids, return_attention_scores=True)[0], "attention scores"),
    "odd mask": (lambda layers, ids: attended(layers, ids, triangle(ids)), "not `ids != 0`"),
    "mask of ones": (lambda layers, ids: attended(layers, ids, (ids > 1)[:, None, :]), "not `ids != 0`"),
    "mask_zero": (lambda layers, ids: layers.Embedding(30, 8, mask_zero=True, name="culprit")(ids), "models/bert.py"),
    "implicit": (masking, "Masking"),
    "axis": (
        lambda layers, ids: layers.LayerNormalization(axis=1, name="culprit")(layers.Embedding(30, 8)(ids)),
        "over axis",
    ),
    "images": (images, "same fixed number of tokens"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_block_does_is_refused(case):
    build, message = REFUSED[case]
    with pytest.raises(UserError, match="layer 'culprit'") as error:
        legal(refused(build))
    assert message in str(error.value)


def test_a_layer_called_twice_stays_shared():
    keras = backend.keras()
    image = keras.Input((TOKENS, 8))
    twice = keras.layers.MultiHeadAttention(2, 4, name="twice")
    x = twice(image, image)
    model = randomized(keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(twice(x, x)))))
    new, _ = in_blocks(model, None, "prune")
    x = np.random.default_rng(0).normal(size=(4, TOKENS, 8)).astype(np.float32)
    assert np.abs(new(x) - model(x)).max() < 1e-4
    assert new.count_params() == model.count_params()
