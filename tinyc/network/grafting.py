"""Preprocessing as frozen layers at the start of a network: built, found again, and put before another one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyc.network import backend
from tinyc.network.flatten import Copy, name_of, replay
from tinyc.network.signal_layers import BACK, FRONT, Folded, kernel


def layers_of(folded: Folded, prefix: str, x: Any) -> Any:
    """Call the frozen layers that compute `folded` on a Keras tensor (batch, time, 1, channels) or (batch, features).

    At most one 1x1 convolution and one depthwise one of (taps, 1), which runs along time; of a vector a Dense layer, or
    a depthwise one between two reshapes.
    """
    if folded.does_nothing:
        return x
    layers, is_vector = backend.keras().layers, len(x.shape) == 2
    if is_vector and not folded.by_channel:
        dense = layers.Dense(folded.mix.shape[1], name=f"{prefix}mix", trainable=False)
        return filled(dense, x, folded.mix, folded.before + folded.after)
    if is_vector:
        x = layers.Reshape((1, 1, x.shape[-1]), name=f"{prefix}open")(x)
    scale, constant = np.diag(folded.mix), folded.after
    if not folded.by_channel:
        mixed = layers.Conv2D(folded.mix.shape[1], 1, name=f"{prefix}mix", trainable=False)
        alone = folded.taps == (1.0,)
        x = filled(mixed, x, folded.mix[None, None], folded.before + folded.after if alone else folded.before)
        scale = np.ones(folded.mix.shape[1])
        if alone:
            return x
    taps = kernel(folded)[:, None, None, None] * scale[None, None, :, None]
    filtered = layers.DepthwiseConv2D((len(taps), 1), padding="same", name=f"{prefix}filter", trainable=False)
    x = filled(filtered, x, taps, constant)
    return layers.Flatten(name=f"{prefix}close")(x) if is_vector else x


def filled(layer: Any, x: Any, weight: Any, bias: Any) -> Any:
    """Call a layer and give it its weights."""
    y = layer(x)
    layer.set_weights([np.asarray(weight, np.float32), np.asarray(bias, np.float32)])
    return y


def with_front(model: Any, input_shape: tuple[int, ...], front: Folded, back: Folded) -> Any:
    """Put preprocessing before a copy of a flat network, and between them what undoes it for the network's eyes."""
    keras = backend.keras()
    given = keras.Input(input_shape, name=name_of(model.inputs[0]))
    return grafted(keras.Model(given, layers_of(back, BACK, layers_of(front, FRONT, given))), model)


def front_of(model: Any) -> Any:
    """Return the network of a network's `tinyc_front_*` layers, sharing them; None where it has none."""
    own = [layer for layer in model.layers if layer.name.startswith(FRONT)]
    return backend.keras().Model(model.inputs, own[-1].output, name="front") if own else None


def grafted(front: Any, network: Any) -> Any:
    """Put copies of `front`'s layers before a copy of a flat network, in one flat network with the latter's name."""
    keras, copy = backend.keras(), Copy("preprocess")
    tensor = front.inputs[0]
    given = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name_of(tensor))
    copy.names.add(name_of(tensor))
    between = replay(front, [given], copy, prefix="", training=None)
    made = keras.Model(given, replay(network, between, copy, prefix="network_", training=None), name=network.name)
    for old, new in copy.layers.values():
        new.set_weights(old.get_weights())
    return made
