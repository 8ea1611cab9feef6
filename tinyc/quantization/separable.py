"""Separable convolutions as the two that they are made of, under names that are known and the same in every process.

TFMOT splits them too, but names the parts by a count of its process, which may be the name of another layer, and sets
their ranges to no data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tinyc.network import backend
from tinyc.network.rewriting.forms import is_a
from tinyc.network.rewriting.transformers import Form, rewrite

DEPTHWISE = (
    "kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier", "depthwise_regularizer",
    "depthwise_constraint", "trainable",
)  # fmt: skip
POINTWISE = (
    "filters", "data_format", "activation", "use_bias", "bias_initializer", "bias_regularizer", "activity_regularizer",
    "bias_constraint", "trainable", "name",
)  # fmt: skip


def split(model: Any) -> Any:
    """Give a network in which each SeparableConv2D is a DepthwiseConv2D, NAME_depthwise, and a Conv2D of its name."""
    taken = {layer.name for layer in model.layers}
    replaced = partial(parts, taken=taken)
    form = Form("SeparableConv2D", "DepthwiseConv2D, Conv2D", is_a("SeparableConv2D"), replaced)
    return rewrite(model, (form,), None, "quantize: qat")[0]


def parts(layer: Any, _: Sequence[Any], taken: set[str]) -> Callable[..., Any]:
    """SeparableConv2D: strides and dilation are the depthwise part's, bias and activation the pointwise part's."""
    name = f"{layer.name}_depthwise"
    while name in taken:
        name += "_"
    taken.add(name)
    layers, config = backend.keras().layers, layer.get_config()
    first = layers.DepthwiseConv2D.from_config(
        {key: config[key] for key in DEPTHWISE} | {"name": name, "use_bias": False}
    )
    pointwise = {f"kernel_{kind}": config[f"pointwise_{kind}"] for kind in ("regularizer", "constraint")}
    second = layers.Conv2D.from_config({key: config[key] for key in POINTWISE} | pointwise | {"kernel_size": 1})

    def call(x: Any) -> Any:
        result = second(first(x))
        depthwise, *rest = layer.get_weights()
        first.set_weights([depthwise])
        second.set_weights(rest)
        return result

    return call
