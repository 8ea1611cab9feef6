"""Transformer encoders for text: BERT as it is published, and small ones that fit a microcontroller.

Every builder is `def name(input_shape, classes, **options) -> tf_keras.Model` with logits out; copy and change freely.
The input is token ids, int32 (tokens,), with 0 for padding.
"""

import tf_keras
from tf_keras import layers
from tf_keras.initializers import TruncatedNormal

from tinyc.network.blocks import Attention, Gelu, LayerNorm, PaddingMask, PositionEmbedding, TokenEmbedding, TokenPool


def bert(
    input_shape: tuple[int, ...],
    classes: int,
    vocabulary: int = 30522,
    width: int = 384,
    depth: int = 6,
    heads: int = 12,
    inner: int = 1536,
    embedding: int = 0,
    head_width: int = 0,
    activation: str = "gelu",
    epsilon: float = 1e-12,
    pool: str = "mean",
    pooler: bool = False,
    dropout: float = 0.1,
) -> tf_keras.Model:
    """BERT (Devlin et al. 2018): `depth` layers of `heads` heads, normalized after each residual sum.

    The defaults are those of MiniLM-L6-H384 (22.7 M parameters). `embedding` narrower than `width` puts a projection
    behind the table (ALBERT, Lan et al. 2019); `head_width` is width / heads where it is 0. `pool` is "mean" or
    "first"; `pooler` adds BERT's dense layer with tanh before the head.
    """
    (tokens,) = input_shape
    ids = tf_keras.Input((tokens,), dtype="int32", name="ids")
    mask = PaddingMask(name="mask")(ids)
    x = TokenEmbedding(vocabulary, embedding or width, name="tokens")(ids)
    if embedding and embedding != width:
        x = dense(width, "tokens_up")(x)
    x = LayerNorm(epsilon, name="embedding_norm")(PositionEmbedding(name="positions")(x))
    x = layers.Dropout(dropout, name="embedding_dropout")(x)
    for index in range(depth):
        x = attend(x, mask, heads, head_width or width // heads, dropout, epsilon, f"layer{index}")
        x = feed_forward(x, inner, activation, dropout, epsilon, f"layer{index}")
    x = TokenPool(pool, name="pool")([x, mask] if pool == "mean" else x)
    if pooler:
        x = layers.Dense(width, "tanh", kernel_initializer=TruncatedNormal(stddev=0.02), name="pooler")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return tf_keras.Model(ids, dense(classes, "logits")(x), name="bert")


def tiny_bert(
    input_shape: tuple[int, ...],
    classes: int,
    vocabulary: int = 4000,
    width: int = 64,
    depth: int = 2,
    heads: int = 2,
    inner: int = 256,
    embedding: int = 0,
    pool: str = "mean",
    dropout: float = 0.1,
) -> tf_keras.Model:
    """Build a small BERT with ReLU, which costs no operator on a device; 359 k parameters by default, at 40 tokens.

    In a recipe `vocabulary` is that of the data or of an earlier `trim_vocabulary`, and need not be given.
    """
    return bert(
        input_shape, classes, vocabulary, width, depth, heads, inner, embedding,
        activation="relu", epsilon=1e-5, pool=pool, dropout=dropout,
    )  # fmt: skip


def attend(x, mask, heads: int, head_width: int, dropout: float, epsilon: float, name: str):
    """Attention over the sentence beside a shortcut."""
    width = x.shape[-1]
    query, key, value = (dense(heads * head_width, f"{name}_{part}")(x) for part in ("query", "key", "value"))
    mixed = Attention(heads, head_width, name=f"{name}_attention")([query, key, value, mask])
    y = layers.Dropout(dropout, name=f"{name}_output_dropout")(dense(width, f"{name}_output")(mixed))
    return LayerNorm(epsilon, name=f"{name}_norm")(layers.Add(name=f"{name}_add")([x, y]))


def feed_forward(x, inner: int, activation: str, dropout: float, epsilon: float, name: str):
    """Two dense layers for each token beside a shortcut."""
    y = dense(inner, f"{name}_inner")(x)
    bent = (
        Gelu("erf", name=f"{name}_gelu") if activation == "gelu" else layers.Activation(activation, name=f"{name}_act")
    )
    y = bent(y)
    y = layers.Dropout(dropout, name=f"{name}_outer_dropout")(dense(x.shape[-1], f"{name}_outer")(y))
    return LayerNorm(epsilon, name=f"{name}_outer_norm")(layers.Add(name=f"{name}_outer_add")([x, y]))


def dense(units: int, name: str):
    return layers.Dense(units, kernel_initializer=TruncatedNormal(stddev=0.02), name=name)
