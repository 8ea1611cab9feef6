"""Networks whose kernels have few values, and what they lower to."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from support import artifacts
from tinyc.network import backend
from tinyc.network.float_tflite import to_float_tflite
from tinyc.network.state import Flat
from tinyc.quantization.convert import to_int8_tflite


def spaced(kernel: Any, values: int, axis: int | None) -> Any:
    """Round a kernel to evenly spaced quantiles, of each channel along `axis` or of the whole."""
    rows = kernel.reshape(1, -1) if axis is None else np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
    levels = np.quantile(rows, np.linspace(0, 1, values), axis=1).T
    found = np.take_along_axis(levels, np.abs(rows[:, :, None] - levels[:, None]).argmin(axis=2), axis=1)
    if axis is None:
        return found.reshape(kernel.shape)
    return np.moveaxis(found.reshape(np.moveaxis(kernel, axis, 0).shape), 0, axis)


# Where Keras keeps the channels that the converter quantizes along.
AXES = {"DepthwiseConv2D": 2, "Conv2DTranspose": 2}


@functools.cache
def network(values: int = 16, per_channel: bool = True) -> Any:
    """Convolution, depthwise convolution, transposed convolution and two dense layers."""
    keras = backend.keras()
    backend.seed_everything(3)
    bias = {"bias_initializer": "random_normal"}
    images = keras.Input((14, 14, 1))
    x = keras.layers.Conv2D(16, 3, activation="relu", name="stem", **bias)(images)
    x = keras.layers.DepthwiseConv2D(9, padding="same", activation="relu", name="depthwise", **bias)(x)
    x = keras.layers.Conv2D(32, 3, activation="relu", name="wide", **bias)(x)
    x = keras.layers.Conv2DTranspose(16, 3, 2, "same", name="larger", **bias)(x)
    x = keras.layers.Flatten(name="flat")(keras.layers.MaxPool2D(4, name="shrink")(x))
    x = keras.layers.Dense(48, activation="relu", name="dense", **bias)(x)
    model = keras.Model(images, keras.layers.Dense(10, name="logits", **bias)(x))
    for layer in model.layers:
        if (weights := layer.get_weights()) and weights[0].ndim > 1:
            axis = AXES.get(type(layer).__name__, -1) if per_channel else None
            layer.set_weights([spaced(weights[0], values, axis), *weights[1:]])
    return model


@functools.cache
def content(kind: str = "per channel") -> bytes:
    """The network in int8 with scales per channel, with per-tensor Dense, or in float32; "parted" has per-tensor Dense
    whose values differ from channel to channel.
    """
    if kind == "float":
        return to_float_tflite(network(per_channel=False))
    return to_int8_tflite(network(per_channel=kind != "per tensor"), artifacts.samples(), kind == "per channel")


def flat() -> Flat:
    return Flat(content(), artifacts.TASK)
