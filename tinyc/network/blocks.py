"""Building blocks of transformers, as Keras layers that lower to int8 operators of TensorFlow Lite Micro.

Keras' own Embedding, LayerNormalization, MultiHeadAttention and gelu do not: they bring SELECT, float islands,
bool masks and GELU. A network made of these blocks can be pruned by heads, factorized and trained under int8 rounding,
since each says what it is. Importing this module imports TensorFlow, so that import stands inside functions.

Shapes: B examples, S tokens, D width, H heads of width E.
"""

from __future__ import annotations

from typing import Any, Literal

from tinyc.network import backend

tf = backend.tensorflow()
keras = backend.keras()
registered = keras.utils.register_keras_serializable("tinyc")

MASKED = -16.0
"""Added to the attention scores of padding: it weighs e^-16 of a token, and int8 still resolves the scores."""


class Block(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """A layer whose constructor arguments are its configuration, listed by `keys`."""

    keys: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{key: getattr(self, key) for key in self.keys}}


@registered
class TokenEmbedding(Block):
    """Look token ids up in a table: int32 (B, S) to (B, S, width).

    Weight: `embeddings` (vocabulary, width).
    """

    keys = ("vocabulary", "width")

    def __init__(self, vocabulary: int, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.vocabulary, self.width = vocabulary, width

    def build(self, shape: Any) -> None:
        super().build(shape)
        start = keras.initializers.TruncatedNormal(stddev=0.02)
        self.embeddings = self.add_weight("embeddings", (self.vocabulary, self.width), initializer=start)

    def call(self, ids: Any) -> Any:
        return tf.gather(self.embeddings, ids)


@registered
class PositionEmbedding(Block):
    """Add a learned vector to each position: (B, S, D) to (B, S, D).

    Weight: `positions` (S, D).
    """

    def build(self, shape: Any) -> None:
        super().build(shape)
        start = keras.initializers.TruncatedNormal(stddev=0.02)
        self.positions = self.add_weight("positions", (shape[-2], shape[-1]), initializer=start)

    def call(self, x: Any) -> Any:
        return x + self.positions


@registered
class PaddingMask(Block):
    """Say which tokens are padding (id 0): int32 (B, S) to (B, 1, 1, S), 0 for a token and MASKED for padding.

    By a minimum with 1 and a lookup among two numbers, since bool and float have no int8 form.
    """

    def call(self, ids: Any) -> Any:
        two = tf.constant([MASKED, 0.0])
        return tf.gather(two, tf.minimum(ids, 1))[:, None, None, :]


@registered
class LayerNorm(Block):
    """Normalize the last axis to mean 0 and variance 1, scale and shift it (Ba et al. 2016), by elementary operations.

    Weights: `gamma` (D,), `beta` (D,).
    """

    keys = ("epsilon",)

    def __init__(self, epsilon: float = 1e-5, **options: Any) -> None:
        super().__init__(**options)
        self.epsilon = epsilon

    def build(self, shape: Any) -> None:
        super().build(shape)
        self.gamma = self.add_weight("gamma", (shape[-1],), initializer="ones")
        self.beta = self.add_weight("beta", (shape[-1],), initializer="zeros")

    def call(self, x: Any) -> Any:
        centred = x - tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(centred * centred, -1, keepdims=True)
        return centred * tf.math.rsqrt(variance + self.epsilon) * self.gamma + self.beta


@registered
class Attention(Block):
    """Scaled dot-product attention in several heads (Vaswani et al. 2017), between projections that Dense layers make.

    Takes [query, key, value] of (B, S, H * E) each, head after head, and a mask as a fourth where there is one;
    gives (B, S, H * E). `width` is E of query and key. No weights.
    """

    keys = ("heads", "width")

    def __init__(self, heads: int, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads, self.width = heads, width

    def call(self, inputs: Any) -> Any:
        query, key, value, *mask = inputs
        weights = tf.nn.softmax(self.scores(query, key, *mask))
        mixed = tf.transpose(tf.matmul(weights, self.split(value)), (0, 2, 1, 3))
        return tf.reshape(mixed, (-1, value.shape[1], value.shape[2]))

    def scores(self, query: Any, key: Any, mask: Any = None) -> Any:
        """Compare every token with every other: (B, H, S, S), before the softmax."""
        # The query is scaled, not the scores: fewer numbers to multiply, and int8 keeps its range.
        compared = tf.matmul(self.split(query * self.width**-0.5), self.split(key), transpose_b=True)
        return compared if mask is None else compared + mask

    def split(self, x: Any) -> Any:
        """Part the heads: (B, S, H * E) to (B, H, S, E)."""
        return tf.transpose(tf.reshape(x, (-1, x.shape[1], self.heads, x.shape[2] // self.heads)), (0, 2, 1, 3))


@registered
class Gelu(Block):
    """Gaussian error linear unit (Hendrycks and Gimpel 2016).

    `form` is "erf" (exact; TensorFlow Lite Micro has none), "tanh", or "sigmoid" (x * sigmoid(1.702 x)).
    """

    keys = ("form",)

    def __init__(self, form: Literal["erf", "tanh", "sigmoid"] = "erf", **options: Any) -> None:
        super().__init__(**options)
        self.form = form

    def call(self, x: Any) -> Any:
        if self.form == "sigmoid":
            return x * tf.sigmoid(1.702 * x)
        if self.form == "tanh":
            return 0.5 * x * (1.0 + tf.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))
        return tf.nn.gelu(x, approximate=False)


@registered
class TokenPool(Block):
    """Make one vector of a sentence: (B, S, D), with the mask as a second input where there is one, to (B, D).

    `how` is "first" (the [CLS] token) or "mean" over the tokens that are not padding.
    """

    keys = ("how",)

    def __init__(self, how: Literal["first", "mean"] = "first", **options: Any) -> None:
        super().__init__(**options)
        self.how = how

    def call(self, inputs: Any) -> Any:
        x, *mask = inputs if isinstance(inputs, list | tuple) else [inputs]
        if self.how == "first":
            return x[:, 0, :]
        if not mask:
            return tf.reduce_mean(x, 1)
        # A softmax over 0 and MASKED gives each token the same weight and padding none.
        return tf.matmul(tf.nn.softmax(mask[0][:, 0, :, :]), x)[:, 0, :]
