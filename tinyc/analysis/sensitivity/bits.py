"""One layer's weights rounded to few bits, in numpy and as the converter does it; nothing is converted.

Symmetric about zero, one scale for each output channel and one in all for a Dense layer, 2**bits - 1 values (Jacob et
al. 2018; narrow range, as TensorFlow Lite's int8 weights). A BatchNormalization that is folded into the kernel later
scales whole output channels, which leaves the rounding of convolutions as it is. Activations and biases stay float.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.clustering.kernels import kernels
from tinyc.spec.sensitivity_file import Skip

BITS = (8, 4, 3, 2)


def layers(model: Any) -> list[str]:
    """Name the layers that have weights to round, in the network's order."""
    return list(dict.fromkeys(kernel.layer for kernel in kernels(model)))


def left_out(model: Any) -> tuple[Skip, ...]:
    """Name the layers with weights that are not rounded here."""
    known = {*layers(model)}
    rest = [layer for layer in model.layers if layer.name not in known and any(len(w.shape) > 1 for w in layer.weights)]
    return tuple(Skip(layer.name, f"weights of {type(layer).__name__} are not rounded here") for layer in rest)


def rounded_layer(model: Any, name: str, bits: int) -> list[NDArray[Any]]:
    """List a layer's weights in Keras' order, the kernels rounded."""
    layer = model.get_layer(name)
    values: list[NDArray[Any]] = layer.get_weights()
    places = {id(variable): place for place, variable in enumerate(layer.weights)}
    for kernel in kernels(model):
        if kernel.layer == name:
            place = places[id(getattr(layer, kernel.weight))]
            values[place] = round_weight(values[place], bits, kernel.axis)
    return values


def round_weight(weight: NDArray[Any], bits: int, axes: tuple[int, ...]) -> NDArray[Any]:
    """Round a weight to equal steps up to its largest absolute value, for each index of `axes` alone; floats again."""
    kept = {axis % weight.ndim for axis in axes}
    others = tuple(axis for axis in range(weight.ndim) if axis not in kept)
    step = np.abs(weight).max(axis=others, keepdims=True, initial=0.0) / (2 ** (bits - 1) - 1)
    step = np.where(step == 0, 1.0, step)
    return np.asarray(np.round(weight / step) * step, weight.dtype)
