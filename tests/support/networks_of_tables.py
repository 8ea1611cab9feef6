"""A small network with each kind of weight that tables can hold, and training for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyc.compression.clustering.kernels import kernels
from tinyc.compression.clustering.kmeans import share
from tinyc.network import backend

SHAPE, CLASSES = (14, 14, 1), 10


def mixed() -> Any:
    """Convolution, depthwise, pointwise and separable with normalization, and two Dense layers."""
    keras = backend.keras()
    layers = keras.layers
    backend.seed_everything(5)
    x = image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(8, 5, 2, "same", use_bias=False, name="conv")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="conv_bn")(x))
    x = layers.DepthwiseConv2D(5, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="depthwise_bn")(x))
    x = layers.Conv2D(16, 3, 2, "same", use_bias=False, name="second")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="second_bn")(x))
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(24, activation="relu", name="hidden")(x)
    model = keras.Model(image, layers.Dense(CLASSES, name="logits")(x), name="mixed")
    random = np.random.default_rng(5)
    model.set_weights([w + (0.1 * random.random(w.shape) if w.ndim == 1 else 0) for w in model.get_weights()])
    return model


def clustered(model: Any, clusters: int = 4, sparsity: float = 0.0, per: Any = "channel") -> Any:
    """Prune and cluster each kernel in place."""
    for kernel in kernels(model):
        weight = kernel.read(model)
        weight = weight * (np.abs(weight) >= np.quantile(np.abs(weight), sparsity))
        made = share(weight, clusters, per=per, axis=kernel.axis, start="kmeans++", seed=1, keep_zeros=True)
        model.get_layer(kernel.layer).set_weights(kernel.weights(model, made))
    return model


def train(model: Any, callbacks: Any, steps: int = 6) -> None:
    random = np.random.default_rng(6)
    x = random.normal(size=(steps * 16, *model.input_shape[1:])).astype(np.float32)
    y = np.arange(steps * 16) % CLASSES
    model.compile("adam", backend.keras().losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=16, epochs=1, callbacks=callbacks, verbose=0)
