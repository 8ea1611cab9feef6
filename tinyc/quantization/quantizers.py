"""Where TFMOT's scheme has no place for a layer: what is rounded in it, in training under int8 rounding.

The converter gives each int8 operator's output a scale, but for operators that only move numbers, and for one that it
fuses with the ReLU behind it. The ranges are put where the scales will be.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyc.network import backend

COMPUTING = (
    "Multiply", "Subtract", "Maximum", "Minimum", "Rescaling", "WithConstant", "HardSwish", "Elementwise", "Reduction",
    "MatMul",
)  # fmt: skip
MOVING = ("Slice", "Rearrangement", "UpSampling2D")
"""Layers whose operator has one scale for what it takes and gives; TFMOT gives UpSampling2D a second one."""
SCALING = {"Rescaling": ("scale", "offset"), "WithConstant": ("constant",)}
"""Layers that the converter folds into the convolution behind them, where they are the first of a network and have one
number for all channels. Between two layers it would fold them into the one before, whose weights are rounded already.
"""
FUSING = ("Multiply", "Subtract", "WithConstant")
"""Operators that take a ReLU into themselves."""


def of(layer: Any, model: Any) -> Any:
    """Give the configuration that a layer is wrapped with; None where TFMOT decides."""
    kind = type(layer).__name__
    if not type(layer).__module__.startswith(("tf_keras.", "tinyc.network.arithmetic")) or kind not in (
        *COMPUTING,
        *MOVING,
    ):
        return None
    if scales_input(layer):
        return None
    layers, scheme = backend.keras().layers, backend.tfmot().quantization.keras.default_8bit.Default8BitQuantizeScheme()
    moves = kind in MOVING or (kind == "Reduction" and layer.function in ("max", "min"))
    carries = moves or (kind in FUSING and feeds_relu(layer, model))
    alike = layers.Reshape((-1,)) if carries else layers.Add()
    return scheme.get_quantize_registry().get_quantize_config(alike)


def scales_input(layer: Any) -> bool:
    """Say whether there is nothing but scaling between a layer and the network's input."""
    keys = SCALING.get(type(layer).__name__, ())
    if not keys or any(np.ndim(getattr(layer, key)) for key in keys):
        return False
    source = layer.input.node.layer
    return isinstance(source, backend.keras().layers.InputLayer) or scales_input(source)


def feeds_relu(layer: Any, model: Any) -> bool:
    """Say whether all that reads a layer's output is one ReLU that operators take in: up to 6, or without an end."""
    inside = {id(each) for each in model.layers}
    readers = [node.layer for node in layer.outbound_nodes if id(node.layer) in inside]
    if len(readers) != 1:
        return False
    relu = backend.keras().activations.relu
    if getattr(readers[0], "activation", None) is relu:
        return type(readers[0]).__name__ == "Activation"
    plain = type(readers[0]).__name__ == "ReLU" and not readers[0].threshold and not readers[0].negative_slope
    return plain and readers[0].max_value in (None, 6)
