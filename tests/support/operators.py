"""Small networks written with operators and functions of TensorFlow, as people write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinyc.network import backend

tf = backend.tensorflow()
keras = backend.keras()
layers = keras.layers

WIDTH = 8
EACH = np.linspace(0.5, 2.0, WIDTH).astype(np.float32)
X = np.random.default_rng(0).standard_normal((48, 8, 8, 3)).astype(np.float32)


def conv(x: Any, filters: int = WIDTH, size: int = 3) -> Any:
    return layers.Conv2D(filters, size, padding="same")(x)


def gate(x: Any) -> Any:
    return tf.sigmoid(conv(tf.reduce_mean(x, [1, 2], keepdims=True), size=1))


def flat_gate(x: Any) -> Any:
    return layers.Dense(WIDTH, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))[:, None, None, :]


def shuffled(x: Any) -> Any:
    parts = tf.transpose(tf.reshape(x, (-1, 8, 8, 2, WIDTH // 2)), [0, 1, 2, 4, 3])
    return tf.reshape(parts, (-1, 8, 8, WIDTH))


def halves(x: Any) -> Any:
    one, two = tf.split(x, 2, axis=-1)
    return tf.concat([tf.nn.relu(one), two], axis=-1)


def normalized(x: Any) -> Any:
    mean = tf.reduce_mean(x, [1, 2], keepdims=True)
    return (x - mean) / tf.sqrt(tf.math.reduce_variance(x, [1, 2], keepdims=True) + 1e-3)


WRITTEN: dict[str, Callable[[Any], Any]] = {
    "hard swish": lambda x: x * tf.nn.relu6(x + 3.0) * (1 / 6),
    "hard swish, divided": lambda x: tf.nn.relu6(3 + x) / 6 * x,
    "a + b": lambda x: conv(x) + x,
    "a - b": lambda x: conv(x) - x,
    "a * b": lambda x: conv(x) * x,
    "a / sqrt(b)": normalized,
    "squeeze and excite": lambda x: x * gate(x),
    "squeeze and excite of rank 2": lambda x: x * flat_gate(x),
    "2 - x": lambda x: 2 - x,
    "x - 2": lambda x: x - 2,
    "-x": lambda x: -x,
    "2 * x / 6": lambda x: 2 * x / 6,
    "by channel": lambda x: (EACH - x) * EACH + tf.constant(EACH) / 3,
    "maximum": lambda x: tf.maximum(x, 0.1 * x),
    "clip": lambda x: tf.clip_by_value(x, -0.5, 0.75),
    "activations": lambda x: tf.nn.leaky_relu(tf.tanh(x)) + tf.nn.silu(x) + tf.nn.softmax(x),
    "powers": lambda x: x**2 + tf.abs(x),
    "concat": lambda x: tf.concat([x, conv(x, 4)], -1),
    "split": halves,
    "gated halves": lambda x: x[..., : WIDTH // 2] * tf.sigmoid(x[..., WIDTH // 2 :]),
    "places": lambda x: x[:, 1:-1, ::2] + tf.slice(x, [0, 0, 0, 0], [-1, 6, 4, WIDTH]),
    "unstack": lambda x: tf.stack(tf.unstack(x, axis=2)[:3], axis=2),
    "channel shuffle": shuffled,
    "pad": lambda x: tf.pad(tf.pad(x, [[0, 0], [1, 0], [2, 1], [0, 0]]), [[0, 0], [1, 1], [0, 0], [0, 0]], "REFLECT"),
    "squeeze": lambda x: x + tf.expand_dims(tf.expand_dims(tf.squeeze(tf.reduce_max(x, [1, 2], True), [1, 2]), 1), 1),
    "over channels": lambda x: x * tf.reduce_mean(x, -1, keepdims=True),
    "resize": lambda x: tf.image.resize(x, (16, 16), "nearest"),
}
"""What people write, by what it shows; each takes and gives (batch, height, width, channels)."""


def network(written: Callable[[Any], Any], seed: int = 1) -> Any:
    """A convolution, normalization, what is written, a convolution and a head; statistics and biases are drawn."""
    backend.seed_everything(seed)
    image = keras.Input(X.shape[1:], name="image")
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(WIDTH, 3, padding="same", name="before")(image))
    x = layers.Conv2D(6, 3, name="after")(written(x))
    model = keras.Model(image, layers.Dense(4, name="head")(layers.GlobalAveragePooling2D()(x)), name="net")
    draw = np.random.default_rng(seed)
    model.set_weights([w + 0.2 * draw.random(w.shape) if w.ndim == 1 else w for w in model.get_weights()])
    return model


def kinds(model: Any) -> set[str]:
    return {type(layer).__name__ for layer in model.layers}
