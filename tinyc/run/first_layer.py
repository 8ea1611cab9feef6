"""What a network's first layers with weights see of the examples; what it scales by itself counts as scaled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.advice.inputs import Raw, Seen
from tinyc.compression.pruning.graph import walk
from tinyc.network import backend
from tinyc.network.checks import has_graph, id_tables
from tinyc.network.signal_layers import is_fixed
from tinyc.network.state import Net

TAILS = (0.1, 99.9)
"""Percentiles between which nearly all values lie."""
Look = Callable[[NDArray[Any]], Seen]


def looker(net: Net) -> Look | None:
    """Give the function from (examples, *input shape) to what the first layers with weights see of them.

    None where they see ids, where batch normalization stands before them and follows each batch in training, or where
    the network hides its layers.
    """
    model = net.model
    if net.task.tokenizer or not has_graph(model) or id_tables(model):
        return None
    first = list(first_inputs(model))
    if not first:
        return None
    prefix = backend.keras().Model(model.inputs, [tensor for _, tensor in first])

    def look(inputs: NDArray[Any]) -> Seen:
        given = prefix(inputs, training=False)
        outputs = given if isinstance(given, list | tuple) else [given]
        pairs = zip(first, outputs, strict=True)
        return min((seen(layer, values.numpy()) for (layer, _), values in pairs), key=suitability)

    return look


def first_inputs(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield every layer with a kernel that no other stands before, by its name, with each tensor that it reads."""
    keras = backend.keras()
    flatten = backend.tensorflow().nest.flatten
    behind: set[int] = set()
    for node in walk(model):
        if node.is_input:
            continue
        inputs, layer = node.keras_inputs, node.layer
        if any(id(tensor) in behind for tensor in inputs):
            behind |= {id(tensor) for tensor in flatten(node.outputs)}
            continue
        follows = isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        if follows or (has_kernel(layer) and not is_fixed(layer.name)):
            behind |= {id(tensor) for tensor in flatten(node.outputs)}
            hides = isinstance(layer, keras.Model)
            yield from () if follows or hides else ((layer.name, tensor) for tensor in inputs)


def has_kernel(layer: Any) -> bool:
    """Say whether a layer has a matrix or filters; scales and shifts by channel are none."""
    return any(len(weight.shape) > 1 for weight in layer.weights)


def seen(layer: str, values: NDArray[Any]) -> Seen:
    """Return the range of nearly all values that a layer sees."""
    low, high = np.percentile(values, TAILS)
    return Seen(layer, float(low), float(high))


def suitability(found: Seen) -> tuple[bool, float]:
    """Return the order of what is seen, the least suitable first."""
    return found.suits, -found.largest


def raw(x: NDArray[Any]) -> Raw:
    """Return the values of raw examples."""
    low, high = np.percentile(x, TAILS)
    return Raw(float(low), float(high), x.dtype == np.uint8)
