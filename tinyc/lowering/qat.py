"""Quantization-aware training: a network in TFMOT's wrappers, with ranges that start from data (Jacob et al. 2018)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc import backend
from tinyc.contract import Skipped
from tinyc.errors import UserError
from tinyc.quiet import hushed
from tinyc.signals.folding import is_fixed

REFUSED_LAYER = re.compile(r"Layer (\S+?):<class")
# TFMOT emulates these activations inside a layer; another one raises without saying which layer has it.
ACTIVATIONS = frozenset({"linear", "relu", "swish", "gelu", "softmax", "sigmoid", "tanh"})
ACTIVATION_RANGE = re.compile(r"/(?:output|post_activation|quantize_layer\w*)_(min|max):0$")
BATCH = 64
WHY = "TFMOT has no training form for it; its ranges come from the calibration examples"


@dataclass(frozen=True)
class Aware:
    """A network in quantization wrappers, and the layers that TFMOT had to leave out."""

    model: Any
    skipped: tuple[Skipped, ...]


def has_blocks(model: Any) -> bool:
    """Say whether a network holds blocks of transformers, which TFMOT does not know."""
    return any(type(layer).__module__ == "tinyc.blocks" for layer in getattr(model, "layers", ()))


def quantization_aware(model: Any, samples: NDArray[np.float32]) -> Aware:
    """Wrap a copy of a flat functional network for training under int8 rounding.

    Convolution, BatchNorm and ReLU become one. Layers without a training form are left as they are, and said.
    Weights keep their values, zeros included: int8 rounding is symmetric, so that zero stays zero.

    Args:
        samples: (examples, *input_shape) as the network sees them; they set the first ranges of all activations.

    Raises:
        UserError: the network is not functional, or TFMOT cannot wrap it.
    """
    if not getattr(model, "_is_graph_network", False):
        problem = "quantization-aware training needs a functional network, and this one is subclassed"
        raise UserError(model.name, problem, 'write `how = "ptq"`, or build it with the functional API')
    for layer in model.layers:
        if activation(layer) not in ACTIVATIONS:
            problem = f"the activation {activation(layer)} has no form for quantization-aware training"
            raise UserError(f"{model.name}, layer {layer.name}", problem, 'write `how = "ptq"`, or take ReLU')
    left: dict[str, str] = {}
    wrapped = wrap(model, left)
    freeze(wrapped)
    start_ranges(wrapped, model, samples)
    return Aware(wrapped, tuple(Skipped(name, why) for name, why in left.items()))


def wrap(model: Any, left: dict[str, str]) -> Any:
    """Apply TFMOT's scheme, leaving out one layer more each time that it refuses one; grows `left`."""
    while len(left) < len(model.layers):
        try:
            return apply_scheme(annotate(model, left))
        except (RuntimeError, ValueError) as error:
            found = REFUSED_LAYER.search(str(error))
            if not found or found[1] in left:
                raise UserError(
                    model.name,
                    f"cannot be wrapped for quantization-aware training: {str(error).splitlines()[0]}",
                    'write `how = "ptq"`',
                ) from error
            left[found[1]] = WHY
    raise UserError(model.name, "no layer has a form for quantization-aware training", 'write `how = "ptq"`')


def freeze(wrapped: Any) -> None:
    """Keep preprocessing as it was fitted: TFMOT's wrappers train the kernel of a frozen layer."""
    for layer in wrapped.layers:
        if is_fixed(layer.name.removeprefix("quant_")):
            layer._non_trainable_weights = [*layer._trainable_weights, *layer._non_trainable_weights]
            layer._trainable_weights = []


def annotate(model: Any, left: dict[str, str]) -> Any:
    """Mark all layers of a copy but the inputs and those in `left`."""
    keras, quantization = backend.keras(), backend.tfmot().quantization.keras
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())

    def mark(layer: Any) -> Any:
        plain = layer.name in left or isinstance(layer, keras.layers.InputLayer)
        return layer if plain else quantization.quantize_annotate_layer(layer)

    return keras.models.clone_model(copy, clone_function=mark)


def apply_scheme(annotated: Any) -> Any:
    """Wrap the marked layers by TFMOT's 8-bit scheme."""
    quantization = backend.tfmot().quantization.keras
    with hushed(), quantization.quantize_scope():
        return quantization.quantize_apply(annotated)


def start_ranges(wrapped: Any, model: Any, samples: NDArray[np.float32]) -> None:
    """Set the range of each activation to the mean of its extremes over batches of the float network.

    TFMOT starts at [-6, 6] and moves a thousandth of the way in a step: a short training would end far from the data.
    The mean over batches is where its moving average comes to rest.
    """
    extremes = measure(model, {layer.name.removeprefix("quant_") for layer in wrapped.layers}, samples)
    inputs = (min(float(samples.min()), 0.0), max(float(samples.max()), 0.0))
    for layer in wrapped.layers:
        is_input = type(layer).__name__ == "QuantizeLayer"
        found = inputs if is_input else extremes.get(layer.name.removeprefix("quant_"))
        for variable in layer.weights if found else ():
            edge = ACTIVATION_RANGE.search(variable.name)
            if edge and found:
                variable.assign(found[0] if edge[1] == "min" else found[1])
    settle(wrapped)


def measure(model: Any, names: set[str], samples: NDArray[np.float32]) -> dict[str, tuple[float, float]]:
    """Find the mean lowest and highest output of the named layers over batches; zero always lies between."""
    keras = backend.keras()
    layers = [layer for layer in model.layers if layer.name in names]
    probe = keras.Model(model.inputs, [layer.output for layer in layers])
    lows, highs = [], []
    for start in range(0, len(samples), BATCH):
        outputs = [np.asarray(output) for output in probe(samples[start : start + BATCH], training=False)]
        lows.append([min(float(output.min()), 0.0) for output in outputs])
        highs.append([max(float(output.max()), 0.0) for output in outputs])
    pairs = zip(np.mean(lows, axis=0).tolist(), np.mean(highs, axis=0).tolist(), strict=True)
    return {layer.name: pair for layer, pair in zip(layers, pairs, strict=True)}


def settle(wrapped: Any) -> None:
    """Set the ranges of all weights to the weights as they are now.

    In training they are taken before a step's update, so that the last update would be clipped.
    """
    for layer in wrapped.layers:
        for weight, quantizer, ranges in getattr(layer, "_weight_vars", ()):
            quantizer(weight, True, weights=ranges)


def activation(layer: Any) -> str:
    """The name of a layer's own activation; "linear" where it has none."""
    function = getattr(layer, "activation", None)
    return "linear" if function is None else str(getattr(function, "__name__", type(function).__name__))
