"""Quantization-aware training: a network in TFMOT's wrappers, with ranges that start from data (Jacob et al. 2018)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.core.quiet import hushed
from tinyc.network import backend
from tinyc.network.contract import Skipped
from tinyc.network.rewriting.function_layers import function_of, is_function
from tinyc.network.signal_layers import is_fixed
from tinyc.quantization import parity, quantizers
from tinyc.quantization.parity import FLOATS, PTQ, Parity
from tinyc.quantization.separable import split
from tinyc.quantization.wrappers import inside

REFUSED_LAYER = re.compile(r"Layer (\S+?):<class")
FAILED_LAYER = re.compile(r"(?:calling layer|The name) [\"'](\S+?)[\"']")
WRAPPER_FAILS = (RuntimeError, ValueError, TypeError, AttributeError, KeyError)
# TFMOT emulates these activations inside a layer; another one raises without saying which layer has it.
ACTIVATIONS = frozenset({"linear", "relu", "swish", "gelu", "softmax", "sigmoid", "tanh"})
ACTIVATION_RANGE = re.compile(r"/(?:output|post_activation|quantize_layer\w*)_(min|max):0$")
BATCH = 64
PREFIX = "quant_"
WHY = "TFMOT has no training form for it; its ranges come from the calibration examples"


@dataclass(frozen=True)
class Aware:
    """A network in quantization wrappers, the layers that were left out, and the proof that it computes the same."""

    model: Any
    skipped: tuple[Skipped, ...]
    parity: Parity


def has_blocks(model: Any) -> bool:
    """Say whether a network holds blocks of transformers, which TFMOT does not know."""
    return any(type(layer).__module__ == "tinyc.network.blocks" for layer in getattr(model, "layers", ()))


def quantization_aware(model: Any, samples: NDArray[np.float32]) -> Aware:
    """Wrap a copy of a flat functional network for training under int8 rounding.

    Convolution, BatchNorm and ReLU become one. Layers without a training form are left as they are, and said.
    Weights keep their values, zeros included: int8 rounding is symmetric, so that zero stays zero. But for rounding
    the copy computes what the network does, or is refused.

    Args:
        samples: (examples, *input_shape) as the network sees them; they set the first ranges of all activations.

    Raises:
        UserError: the network is not functional, TFMOT cannot wrap it, or a layer computes something else in a copy.
    """
    refuse(model)
    model = split(model)
    left: dict[str, str] = {}
    wrapped = wrap(model, left)
    proved = parity.prove(model, wrapped, samples)
    freeze(wrapped)
    start_ranges(wrapped, model, samples)
    return Aware(wrapped, tuple(Skipped(name, why) for name, why in left.items()), proved)


def refuse(model: Any) -> None:
    """Refuse what no wrapper can be put around.

    Raises:
        UserError: names the layer.
    """
    if not getattr(model, "_is_graph_network", False):
        problem = "quantization-aware training needs a functional network, and this one is subclassed"
        raise UserError(model.name, problem, f"{PTQ}, or build it with the functional API")
    for layer in model.layers:
        where = f"{model.name}, layer {layer.name}"
        if activation(layer) not in ACTIVATIONS:
            problem = f"the activation {activation(layer)} has no form for quantization-aware training"
            raise UserError(where, problem, f"{PTQ}, or take ReLU")
        if layer.compute_dtype in FLOATS:
            problem = f"it computes in {layer.compute_dtype}, and quantization-aware training knows float32 alone"
            raise UserError(where, problem, f'{PTQ}, or save the network with the policy "float32"')


def wrap(model: Any, left: dict[str, str]) -> Any:
    """Apply TFMOT's scheme, leaving out one layer more each time that it refuses one; grows `left`."""
    left |= {layer.name: WHY for layer in model.layers if type(layer).__name__ == "SeparableConv1D"}
    left |= {layer.name: WHY for layer in model.layers if is_function(layer)}
    while len(left) < len(model.layers):
        marked: dict[str, str] = {}
        try:
            return apply_scheme(annotate(model, left, marked), model)
        except WRAPPER_FAILS as error:
            name = culprit(str(error), marked, model)
            if not name or name in left or name == uncopied(model):
                raise unwrappable(model, name, str(error)) from error
            left[name] = WHY
    raise UserError(model.name, "no layer has a form for quantization-aware training", PTQ)


def culprit(message: str, marked: dict[str, str], model: Any) -> str:
    """Find the layer that TFMOT or Keras failed at; empty where neither says which, and every layer can be copied."""
    names = {layer.name for layer in model.layers}
    found = REFUSED_LAYER.search(message) or FAILED_LAYER.search(message)
    said = (found[1], marked.get(found[1]), found[1].removeprefix(PREFIX)) if found else ()
    return next((name for name in said if name in names), None) or uncopied(model)


def uncopied(model: Any) -> str:
    """Name the first layer that cannot be made anew from its configuration; empty where all can."""
    for layer in model.layers:
        try:
            # TFMOT finds layers by the names in their configurations, which Keras adds to a class's own.
            type(layer).from_config({**layer.get_config(), "name": layer.get_config()["name"]})
        except Exception:  # A user's class may raise anything.
            return str(layer.name)
    return ""


def unwrappable(model: Any, name: str, message: str) -> UserError:
    """Say at which layer wrapping fails, and how."""
    reason = next((line.strip() for line in message.splitlines() if line.strip()), "no reason given")
    problem = f"cannot be wrapped for quantization-aware training: {reason}"
    if name and is_function(layer := model.get_layer(name)):
        problem = f"the function {function_of(layer)} has no form for quantization-aware training: {reason}"
        return UserError(f"{model.name}, layer {name}", problem, "write it with Keras' own layers")
    if name and name == uncopied(model):
        problem = f"its {type(model.get_layer(name)).__name__} cannot be copied by its get_config(): {reason}"
        return UserError(
            f"{model.name}, layer {name}",
            problem,
            f"return super().get_config() with all arguments of its __init__, or {PTQ}",
        )
    return UserError(f"{model.name}, layer {name}" if name else str(model.name), problem, PTQ)


def freeze(wrapped: Any) -> None:
    """Keep out of training what is not trainable, preprocessing too: TFMOT's wrappers train its kernel in any case."""
    for layer in wrapped.layers:
        inner = inside(layer)
        if inner is not layer and hasattr(layer, "_weight_vars") and (is_fixed(inner.name) or not inner.trainable):
            layer._non_trainable_weights = [*layer._trainable_weights, *layer._non_trainable_weights]
            layer._trainable_weights = []


def annotate(model: Any, left: dict[str, str], marked: dict[str, str]) -> Any:
    """Mark all layers of a copy but the inputs and those in `left`; `marked` gets the layer of each mark by name."""
    keras, quantization = backend.keras(), backend.tfmot().quantization.keras
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())

    def mark(layer: Any) -> Any:
        if layer.name in left or isinstance(layer, keras.layers.InputLayer):
            return layer
        made = quantization.quantize_annotate_layer(layer, quantizers.of(layer, copy))
        marked[made.name] = layer.name
        return made

    return keras.models.clone_model(copy, clone_function=mark)


def apply_scheme(annotated: Any, model: Any) -> Any:
    """Wrap the marked layers by TFMOT's 8-bit scheme, which makes all layers of the network anew by their classes."""
    quantization = backend.tfmot().quantization.keras
    own = {type(layer).__name__: type(layer) for layer in model.layers if not is_keras(layer)}
    with hushed(), quantization.quantize_scope(own):
        return quantization.quantize_apply(annotated)


def is_keras(layer: Any) -> bool:
    return type(layer).__module__.startswith(("tf_keras.", "keras."))


def start_ranges(wrapped: Any, model: Any, samples: NDArray[np.float32]) -> None:
    """Set the range of each activation to the mean of its extremes over batches of the float network.

    TFMOT starts at [-6, 6] and moves a thousandth of the way in a step: a short training would end far from the data.
    The mean over batches is where its moving average comes to rest.
    """
    extremes = measure(model, {inside(layer).name for layer in wrapped.layers}, samples)
    inputs = (min(float(samples.min()), 0.0), max(float(samples.max()), 0.0))
    for layer in wrapped.layers:
        is_input = type(layer).__name__ == "QuantizeLayer"
        found = inputs if is_input else extremes.get(inside(layer).name)
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
    """Return the name of a layer's own activation; "linear" where it has none."""
    function = getattr(layer, "activation", None)
    return "linear" if function is None else str(getattr(function, "__name__", type(function).__name__))
