"""Small transformers: of the blocks, and of Keras' own layers, with random weights in every tensor."""

import importlib.util
from pathlib import Path

import numpy as np

from support.pruning_networks import randomized
from tinyc.network import backend

TOKENS, PIECES = 7, 30


def encoder(heads=4, width=8, inner=12, depth=2, activation="gelu", seed=1, **options):
    """A BERT of models/bert.py; `head_width` may differ from width / heads."""
    file = Path(__file__).parents[2] / "models" / "bert.py"
    spec = importlib.util.spec_from_file_location("shipped_bert", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options = {"epsilon": 1e-5, **options}
    return randomized(
        module.bert((TOKENS,), 3, PIECES, width, depth, heads, inner, activation=activation, **options), seed
    )


def own(masked=True, dtype="int32", **attention):
    """An encoder of MultiHeadAttention, Embedding, LayerNormalization and gelu; values are wider than keys."""
    keras, tf = backend.keras(), backend.tensorflow()
    layers = keras.layers
    ids = keras.Input((TOKENS,), dtype=dtype, name="ids")
    x = layers.Embedding(PIECES, 8, name="tokens")(ids)
    mask = tf.not_equal(ids, 0)[:, None, :] if masked else None
    for index in range(2):
        options = {"num_heads": 4, "key_dim": 2, "value_dim": 3, "dropout": 0.1, **attention}
        y = layers.MultiHeadAttention(name=f"attention{index}", **options)(x, x, attention_mask=mask)
        x = layers.LayerNormalization(name=f"norm{index}")(layers.Add()([x, y]))
        y = layers.Dense(12, activation="gelu", name=f"inner{index}")(x)
        y = layers.Activation("gelu", name=f"again{index}")(layers.Dense(10, name=f"middle{index}")(y))
        x = layers.LayerNormalization(name=f"outer_norm{index}", scale=False)(
            layers.Add()([x, layers.Dense(8, name=f"outer{index}")(y)])
        )
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    return randomized(keras.Model(ids, layers.Dense(3, name="logits")(x), name="own"))


def ids(count=16, seed=3):
    """Token ids of sentences of different lengths, padded with 0."""
    random = np.random.default_rng(seed)
    found = random.integers(1, PIECES, (count, TOKENS))
    found[np.arange(TOKENS) >= random.integers(2, TOKENS + 1, (count, 1))] = 0
    return found.astype(np.int32)
