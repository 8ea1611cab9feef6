"""Batch normalization folded into the layer before it, as the converter does, so that what follows sees one weight."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.network import backend

FOLDS = ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense")


def fold_batch_norms(model: Any) -> Any:
    """Copy a flat functional network with each BatchNormalization folded into the layer that it alone reads.

    Layers keep their names; a folded normalization becomes a linear activation, which costs nothing.
    """
    keras = backend.keras()
    folded = {layer.name: norm for layer in model.layers if (norm := norm_behind(layer, model)) is not None}
    gone = {norm.name for norm in folded.values()}

    def copied(layer: Any) -> Any:
        if layer.name in gone:
            return keras.layers.Activation("linear", name=layer.name)
        config = layer.get_config()
        return type(layer).from_config({**config, "use_bias": True} if layer.name in folded else config)

    made = keras.models.clone_model(model, clone_function=copied)
    for layer in model.layers:
        if layer.name in folded:
            made.get_layer(layer.name).set_weights(folded_weights(layer, folded[layer.name]))
        elif layer.name not in gone:
            made.get_layer(layer.name).set_weights(layer.get_weights())
    return made


def readers(layer: Any, model: Any) -> list[Any]:
    """List the layers of a network that read a layer's output."""
    inside = {id(each) for each in model.layers}
    return [node.layer for node in layer.outbound_nodes if id(node.layer) in inside]


def norm_behind(layer: Any, model: Any) -> Any:
    """Give the normalization over channels that alone reads a layer's output; None where there is none."""
    keras = backend.keras()
    plain = type(layer).__name__ in FOLDS and layer.activation is keras.activations.linear
    following = readers(layer, model)
    if not plain or len(following) != 1 or len(layer.inbound_nodes) != 1:
        return None
    norm = following[0]
    # Keras resolves the axis when it builds the layer, to one list of one number.
    last = isinstance(norm, keras.layers.BatchNormalization) and list(norm.axis) == [len(norm.input_shape) - 1]
    return norm if last and len(norm.inbound_nodes) == 1 else None


def folded_weights(layer: Any, norm: Any) -> list[NDArray[Any]]:
    """Compute a layer's kernel and bias with the normalization in them."""
    mean, variance = (np.asarray(each, np.float64) for each in (norm.moving_mean, norm.moving_variance))
    gain = (np.asarray(norm.gamma, np.float64) if norm.scale else 1.0) / np.sqrt(variance + norm.epsilon)
    kernel, *bias = layer.get_weights()
    offset = (np.asarray(bias[0], np.float64) if bias else 0.0) - mean
    shift = np.asarray(norm.beta, np.float64) if norm.center else 0.0
    by_channel = gain.reshape(kernel.shape[-2:]) if type(layer).__name__ == "DepthwiseConv2D" else gain
    return [np.asarray(kernel * by_channel, np.float32), np.asarray(offset * gain + shift, np.float32)]
