"""Small networks of each family that channel pruning knows, with random weights in every tensor."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from support.shipped import resnet
from tinyc.compression.pruning.amounts import removed
from tinyc.compression.pruning.choice import keep_highest
from tinyc.compression.pruning.structured import survey
from tinyc.network import backend

SHAPE = (8, 8, 3)
CLASSES = 5


def shipped(name: str, shape: tuple[int, ...] = SHAPE, classes: int = CLASSES) -> Any:
    """Build a network of models/resnet.py."""
    return getattr(resnet(), name)(shape, classes)


def randomized(model: Any, seed: int = 1) -> Any:
    """Give every weight, also biases, scales and moving averages, a random value."""
    backend.seed_everything(seed)
    random = np.random.default_rng(seed)
    for layer in model.layers:
        weights = layer.get_weights()
        for place, variable in enumerate(layer.weights):
            noise = random.normal(size=weights[place].shape)
            if variable.shape.rank == 1:
                noise = noise * 0.3 + (1 if any(key in variable.name for key in ("gamma", "variance")) else 0)
                noise = np.abs(noise) + 0.1 if "variance" in variable.name else noise
            else:
                noise = noise * np.sqrt(2 / max(1, weights[place].size // weights[place].shape[-1]))
            weights[place] = noise.astype(np.float32)
        layer.set_weights(weights)
    return model


def images(count: int = 4, shape: tuple[int, ...] = SHAPE, seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def conv_bn_relu(layers: Any, x: Any, filters: int, stride: int = 1, size: int = 3) -> Any:
    x = layers.Conv2D(filters, size, stride, "same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def mobile() -> Any:
    """Depthwise-separable stages, one with a depth multiplier of two and one fused."""
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE, name="image")
    x = conv_bn_relu(layers, image, 8)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, use_bias=True, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = conv_bn_relu(layers, x, 12, size=1)
    x = layers.DepthwiseConv2D(3, 2, "same", depth_multiplier=2)(x)
    x = layers.BatchNormalization()(x)
    x = layers.SeparableConv2D(10, 3, padding="same", depth_multiplier=2, name="separable")(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(layers.Dropout(0.2)(x))
    return keras.Model(image, layers.Dense(CLASSES, name="logits")(x), name="mobile")


def densenet() -> Any:
    """Pre-activation layers that concatenate all that came before, with a transition between."""
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(8, 3, padding="same", name="stem")(image)
    for stage in range(2):
        for _ in range(2):
            y = layers.ReLU()(layers.BatchNormalization()(x))
            x = layers.Concatenate()([x, layers.Conv2D(6, 3, padding="same")(y)])
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.AveragePooling2D()(layers.Conv2D(10, 1, name=f"transition{stage}")(x))
    x = layers.GlobalMaxPooling2D()(layers.BatchNormalization()(x))
    return keras.Model(image, layers.Dense(CLASSES, name="logits")(x), name="densenet")


def flattened() -> Any:
    """Convolutions into Flatten, two Dense, as a Sequential network."""
    keras = backend.keras()
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(SHAPE, name="image"),
            layers.Conv2D(8, 3, activation="relu", name="first"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(7, 2, name="second"),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dense(16, activation="relu", name="hidden"),
            layers.BatchNormalization(),
            layers.Dense(CLASSES, name="logits"),
        ],
        name="flattened",
    )


def gated() -> Any:
    """Squeeze and excitation: a sigmoid gate, reshaped to (1, 1, channels), multiplies a residual stage."""
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE, name="image")
    x = conv_bn_relu(layers, image, 12)
    y = layers.BatchNormalization()(layers.Conv2D(12, 3, padding="same")(x))
    gate = layers.Dense(4, activation="relu", name="squeeze")(layers.GlobalAveragePooling2D()(y))
    gate = layers.BatchNormalization()(gate)
    gate = layers.Dense(12, activation="sigmoid", name="excite")(gate)
    y = layers.Multiply()([y, layers.Reshape((1, 1, 12))(gate)])
    x = layers.Maximum()([layers.Subtract()([x, y]), layers.Average()([x, y])])
    x = layers.GlobalAveragePooling2D()(conv_bn_relu(layers, x, 9, 2))
    return keras.Model(image, layers.Dense(CLASSES, name="logits")(x), name="gated")


def decoder() -> Any:
    """Dense into an image, through transposed convolution and upsampling, and Conv1D over its rows."""
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE, name="image")
    x = layers.GlobalAveragePooling2D()(conv_bn_relu(layers, image, 6))
    x = layers.Dense(4 * 4 * 5, name="spread")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Reshape((4, 4, 5))(x)
    x = layers.Conv2DTranspose(6, 3, 2, "same", name="up")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Cropping2D(1)(layers.UpSampling2D()(layers.ELU()(x)))
    x = layers.Reshape((14, -1))(x)
    x = layers.Conv1D(8, 3, name="rows")(layers.ReLU()(x))
    x = layers.GlobalAveragePooling1D()(layers.BatchNormalization()(x))
    return keras.Model(image, layers.Dense(CLASSES, name="logits")(x), name="decoder")


def resnet_v2() -> Any:
    """Residuals of pre-activations (He et al. 2016b), with a grouped convolution inside each, as in ResNeXt."""
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(8, 3, padding="same", name="stem")(image)
    for stage, (groups, inside) in enumerate(((6, 12), (2, 12))):
        y = before = layers.ReLU()(layers.BatchNormalization()(x))
        y = layers.Conv2D(inside, 1, name=f"narrow{stage}")(y)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Conv2D(inside, 3, stage + 1, "same", groups=groups, name=f"grouped{stage}")(y)
        y = layers.Conv2D(10, 1, name=f"wide{stage}")(layers.ReLU()(layers.BatchNormalization()(y)))
        x = layers.Add()([y, layers.Conv2D(10, 1, stage + 1, name=f"shortcut{stage}")(before)])
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    return keras.Model(image, layers.Dense(CLASSES, name="logits")(x), name="resnet_v2")


def application(name: str, **options: Any) -> Any:
    """A network of tf_keras.applications with logits of its own."""
    keras = backend.keras()
    body = getattr(keras.applications, name)(
        input_shape=(32, 32, 3), include_top=False, weights=None, pooling="avg", **options
    )
    return keras.Model(body.input, keras.layers.Dense(CLASSES, name="logits")(body.output), name=name.lower())


APPLICATIONS: dict[str, dict[str, Any]] = {
    "MobileNet": {"alpha": 0.25},
    "MobileNetV2": {"alpha": 0.35},
    "ResNet50V2": {},
    "DenseNet121": {},
}

FAMILIES: dict[str, Callable[[], Any]] = {
    "resnet8": lambda: shipped("resnet8"),
    "resnet_v2": resnet_v2,
    "mobile": mobile,
    "densenet": densenet,
    "flattened": flattened,
    "gated": gated,
    "decoder": decoder,
}


@functools.cache
def family(name: str) -> Any:
    """Give a randomized network of FAMILIES, one for all tests that change nothing of it."""
    return randomized(FAMILIES[name]())


def zeroed(model: Any, graph: Any, keep: Any) -> Any:
    """Copy a network with all removed channels silent: their filters, biases, scales, shifts and slopes are zero."""
    copy = backend.keras().models.clone_model(model)
    copy.set_weights(model.get_weights())
    for cut in graph.cuts:
        if cut.role != "reads":
            variable = getattr(copy.get_layer(cut.layer), cut.weight)
            value = np.moveaxis(variable.numpy(), cut.axis, -1) * keep[cut.channels]
            variable.assign(np.moveaxis(value, -1, cut.axis))
    return copy


def relative_error(model: Any, reference: Any, x: Any) -> float:
    """Give the largest difference of outputs, relative to the largest output."""
    got, wanted = (network(x, training=False).numpy() for network in (model, reference))
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def choose(model: Any, ranking: Any, amounts: Any, where: str, examples: Any = None) -> SimpleNamespace:
    """Decide which channels stay, as `channels` does in one round, and change nothing."""
    begin, ranks, skipped = survey(model, ranking, amounts, where, examples)
    removals = removed(model, begin.graph, ranking, ranks, begin, 1.0)
    keep = keep_highest(begin.graph, removals, ranks)
    return SimpleNamespace(graph=begin.graph, keep=keep, removals=removals, skipped=skipped)
