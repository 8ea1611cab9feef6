"""Training under int8 rounding within ranges that do not move, so that many can train the same quantized network.

Ranges that follow the data would follow each client's own, and their average is nobody's. A quantizer is named by its
layer and its place in it: `conv1/output`, `relu/post_activation`, `input/0`; in tinyc's wrappers `dense/range`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.network.contract import Skipped
from tinyc.quantization import fake_quant, parity, qat
from tinyc.quantization.separable import split
from tinyc.quantization.wrappers import inside

Ranges = dict[str, tuple[float, float]]
EDGE = re.compile(r"/(?:(output|pre_activation|post_activation)|quantize_layer\w*)_(min|max):0$")


def measured(model: Any, samples: NDArray[Any], per_channel: bool) -> tuple[Ranges, tuple[Skipped, ...]]:
    """Give the ranges that a training would start with, by quantizer, and the layers that have none.

    Args:
        samples: (examples, *input_shape) as the network sees them.
        per_channel: for transformers, whether Dense layers get a scale for each output.

    Raises:
        UserError: the network cannot be trained under int8 rounding.
    """
    if not qat.has_blocks(model):
        aware = qat.quantization_aware(model, samples)
        return read_ranges(aware.model), aware.skipped

    aware = fake_quant.wrap(model, samples, per_channel)
    return read_ranges(aware.model), aware.skipped


def wrapped(model: Any, ranges: Mapping[str, tuple[float, float]], per_channel: bool) -> Any:
    """Wrap a copy of a network for training within the given ranges; what is not trainable in it stays so.

    Raises:
        UserError: the network cannot be trained under int8 rounding, or the ranges are another network's.
    """
    nothing = np.zeros((0, *model.input_shape[1:]), np.float32)
    if qat.has_blocks(model):
        made = fake_quant.wrap(model, nothing, per_channel).model
    else:
        qat.refuse(model)
        model = split(model)
        made = qat.wrap(model, {})
        parity.prove(model, made, nothing)
        qat.freeze(made)
    if set(read_ranges(made)) != set(ranges):
        odd = ", ".join(sorted(set(read_ranges(made)) ^ set(ranges))[:3])
        raise UserError("ranges", f"they do not fit the network: {odd}", "measure them on this network")
    set_ranges(made, ranges)
    qat.settle(made)
    for layer in made.layers:
        fix(layer)
    return made


def edges(wrapped: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each quantizer of activations with the variables of its lowest and highest value."""
    inputs = 0
    for layer in wrapped.layers:
        for own in getattr(layer, "ranges", ()):
            yield f"{layer.name}/{own.name}", own.low, own.high
        found: dict[str, dict[str, Any]] = {}
        for variable in layer.weights:
            if edge := EDGE.search(variable.name):
                found.setdefault(edge[1] or "", {})[edge[2]] = variable
        for place, pair in found.items():
            # TFMOT numbers the layers that round the inputs through all networks of a process.
            name = f"{inside(layer).name}/{place}" if place else f"input/{inputs}"
            inputs += not place
            yield name, pair["min"], pair["max"]


def read_ranges(wrapped: Any) -> Ranges:
    """Give the ranges of a network in wrappers."""
    return {name: (float(low.numpy()), float(high.numpy())) for name, low, high in edges(wrapped)}


def set_ranges(wrapped: Any, ranges: Mapping[str, tuple[float, float]]) -> int:
    """Set the ranges that are given, and leave the others; gives how many were set."""
    found = [(pair, ranges[name]) for name, *pair in edges(wrapped) if name in ranges]
    for pair, values in found:
        for variable, value in zip(pair, values, strict=True):
            variable.assign(value)
    return len(found)


def fix(layer: Any) -> None:
    """Let the quantizers of a layer's activations use their ranges and move them no more."""
    for own in getattr(layer, "ranges", ()):
        own.fixed = True
    for activation in getattr(layer, "_quantize_activations", ()):
        activation.quantizer = Fixed(activation.quantizer)
    if getattr(layer, "_output_quantizers", None):
        layer._output_quantizers = [Fixed(each) for each in layer._output_quantizers]
    if type(layer).__name__ == "QuantizeLayer":
        layer.quantizer = Fixed(layer.quantizer)


class Fixed:
    """A quantizer of TFMOT that never trains."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, inputs: Any, training: Any, weights: Any, **options: Any) -> Any:
        return self.inner(inputs, False, weights, **options)
