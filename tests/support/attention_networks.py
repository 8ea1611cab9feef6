"""Small transformers: of the blocks, and of Keras' own layers, with random weights in every tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from support import shipped
from support.pruning_networks import randomized
from tinyc.network import backend

TOKENS, PIECES = 7, 30


def encoder(
    heads: int = 4,
    width: int = 8,
    inner: int = 12,
    depth: int = 2,
    activation: str = "gelu",
    seed: int = 1,
    **options: Any,
) -> Any:  # fmt: skip
    """A BERT of models/bert.py; `head_width` may differ from width / heads."""
    options = {"epsilon": 1e-5, **options}
    return randomized(
        shipped.bert().bert((TOKENS,), 3, PIECES, width, depth, heads, inner, activation=activation, **options), seed
    )


def own(masked: bool = True, dtype: str = "int32", **attention: Any) -> Any:
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


def ids(count: int = 16, seed: int = 3) -> Any:
    """Token ids of sentences of different lengths, padded with 0."""
    random = np.random.default_rng(seed)
    found = random.integers(1, PIECES, (count, TOKENS))
    found[np.arange(TOKENS) >= random.integers(2, TOKENS + 1, (count, 1))] = 0
    return found.astype(np.int32)
