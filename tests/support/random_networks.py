"""Random networks of every family that tinyc makes, as .tflite bytes: small, and no two alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from support import shipped
from tinyc.core.quiet import hushed
from tinyc.network import backend
from tinyc.quantization.convert import to_int8_tflite


def width(draw: Any, low: int = 2, high: int = 40) -> int:
    return int(draw.integers(low, high))


def dense(draw: Any) -> bytes:
    """A multilayer perceptron, where the memory planner's records outweigh the activations."""
    layers = backend.keras().layers
    x = inputs = backend.keras().Input((width(draw),))
    for _ in range(draw.integers(1, 11)):
        x = layers.Dense(width(draw), activation="relu")(x)
    return int8(backend.keras().Model(inputs, layers.Dense(width(draw, 1, 12))(x)), draw)


def convolutional(draw: Any) -> bytes:
    """Convolutions, some depthwise, with residual sums and poolings between."""
    layers = backend.keras().layers
    channels, side = width(draw, 2, 12), width(draw, 6, 20)
    x = inputs = backend.keras().Input((side, side, width(draw, 1, 4)))
    x = layers.Conv2D(channels, 3, padding="same")(x)
    for _ in range(draw.integers(1, 5)):
        kind = draw.choice(["residual", "depthwise", "pool"])
        if kind == "residual":
            x = layers.Add()([x, layers.Conv2D(channels, 3, padding="same", activation="relu")(x)])
        elif kind == "depthwise":
            x = layers.ReLU()(layers.DepthwiseConv2D(3, padding="same")(x))
        elif min(x.shape[1:3]) > 1:
            x = layers.MaxPool2D(2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return int8(backend.keras().Model(inputs, layers.Dense(width(draw, 2, 12))(x)), draw)


def transformer(draw: Any) -> bytes:
    heads, tokens, vocabulary = width(draw, 1, 3), width(draw, 4, 24), width(draw, 10, 60)
    sizes = {"width": 8 * heads, "depth": width(draw, 1, 3), "heads": heads, "inner": width(draw, 8, 33)}
    model = shipped.bert().tiny_bert((tokens,), 2, vocabulary=vocabulary, dropout=0.0, **sizes)
    ids = draw.integers(4, vocabulary, (20, tokens)).astype(np.int32)
    ids[0, 3:] = 0
    return to_int8_tflite(model, ids, False)


def recurrent(draw: Any) -> bytes:
    """A fused int8 LSTM, which keeps variables beside its activations; by the converter itself."""
    tf, layers = backend.tensorflow(), backend.keras().layers
    inputs = backend.keras().Input((width(draw, 2, 12), width(draw, 1, 8)))
    model = backend.keras().Model(inputs, layers.Dense(width(draw, 2, 12))(layers.LSTM(width(draw, 2, 20))(inputs)))
    shape = (1, *model.input_shape[1:])
    samples = draw.normal(size=(20, *shape)).astype(np.float32)
    call = tf.function(model).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([call], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with hushed():
        return bytes(converter.convert())


def floating(draw: Any) -> bytes:
    """A float network of several inputs, of which tinyc drives none, and TFLM all."""
    layers = backend.keras().layers
    inputs = [backend.keras().Input((width(draw),)) for _ in range(draw.integers(1, 4))]
    x = layers.Concatenate()([layers.Dense(width(draw))(each) for each in inputs] * 2)
    model = backend.keras().Model(inputs, layers.Dense(width(draw, 1, 12))(x))
    tf = backend.tensorflow()
    specs = [tf.TensorSpec((1, *each.shape[1:]), tf.float32) for each in inputs]
    call = tf.function(lambda *given: model(list(given))).get_concrete_function(*specs)
    with hushed():
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([call], model).convert())


FAMILIES: dict[str, Callable[[Any], bytes]] = {
    made.__name__: made for made in (dense, convolutional, transformer, recurrent, floating)
}


def int8(model: Any, draw: Any) -> bytes:
    return to_int8_tflite(model, draw.normal(size=(20, *model.input_shape[1:])).astype(np.float32), False)
