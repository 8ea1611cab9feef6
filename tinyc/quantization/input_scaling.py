"""A network's own scaling of its input, pulled out where one int8 scale for all columns would lose the small ones.

It is then computed in float before the input is quantized, as `[data] scale` and `offset` are, here and in the C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.graph import walk
from tinyc.data import scaling
from tinyc.network import backend
from tinyc.network.arithmetic import WithConstant
from tinyc.network.checks import has_graph
from tinyc.network.rewriting.transformers import Form, replaced
from tinyc.network.state import Net

Columns = NDArray[np.float64]
BINARY: dict[str, Callable[[Columns, Columns], Columns]] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
}  # fmt: skip


@dataclass(frozen=True)
class Pulled:
    """A network whose scaling has gone into its task, the layers that did it, and how far their columns lie apart."""

    net: Net
    layers: tuple[str, ...]
    ratio: float

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, for people."""
        what = " and ".join(map(repr, self.layers))
        return (
            f"{what}: computed in float before the int8 input, as scale and offset of each column, since the columns "
            f"differ by {self.ratio:,.0f} times and one int8 scale for all would leave the smallest few steps",
        )


def pulled_out(net: Net) -> Pulled | None:
    """Pull the layers that scale each column of the input by its own factor out of a network.

    They are those that the input alone feeds, one after the other: Normalization, Rescaling, batch normalization as it
    is after training, and arithmetic with constants. None where there are none; where the columns that they expect
    lie no more than `scaling.APART` times apart; or where the network sees ids, or a front.
    """
    if net.task.tokenizer or net.task.front or not has_graph(net.model) or len(net.model.inputs) != 1:
        return None
    columns = net.model.inputs[0].shape[-1]
    if len(net.model.inputs[0].shape) < 2 or columns is None or columns < 2:
        return None
    scale, offset, layers = np.ones(columns), np.zeros(columns), []
    for layer in chain(net.model):
        found = affine(layer, columns)
        if found is None:
            break
        scale, offset = scale * found[0], offset * found[0] + found[1]
        layers.append(layer)
    spreads = np.abs(1 / np.where(scale == 0, np.nan, scale))
    if not np.isfinite(spreads).all() or not np.isfinite(offset).all() or not scaling.spreads_differ(spreads):
        return None
    form = Form("scaling", "scale and offset", lambda layer: layer in layers, lambda *_: lambda x, **__: x)
    model, _ = replaced(net.model, form, "quantize")
    task = net.task
    given = (np.asarray(task.scale, np.float64), np.asarray(task.offset, np.float64))
    seen = replace(
        task, scale=tuple((given[0] * scale).tolist()), offset=tuple((given[1] * scale + offset).tolist()),
        source_scaling=(task.scale, task.offset),
    )  # fmt: skip
    names = tuple(layer.name for layer in layers)
    return Pulled(replace(net, model=model, task=seen), names, float(spreads.max() / spreads.min()))


def chain(model: Any) -> Iterator[Any]:
    """Yield the layers after the input, as long as each alone reads what the one before it gives."""
    nodes = [node for node in walk(model) if not node.is_input]
    given = model.inputs[0]
    while True:
        readers = [node for node in nodes if any(each is given for each in node.keras_inputs)]
        if len(readers) != 1 or len(readers[0].keras_inputs) != 1 or given is model.outputs[0]:
            return
        layer = readers[0].layer
        if len(layer.inbound_nodes) != 1:
            return
        yield layer
        given = readers[0].outputs


def affine(layer: Any, columns: int) -> tuple[Columns, Columns] | None:
    """Factor and constant of each column, (columns,) each, of a layer that is x * factor + constant; None of others."""
    keras = backend.keras()
    if type(layer) is keras.layers.Normalization:
        return normalization(layer, columns)
    if type(layer) is keras.layers.BatchNormalization:
        return batch_normalization(layer)
    if type(layer) is keras.layers.Rescaling:
        return spread(layer.scale, columns), spread(layer.offset, columns)
    if type(layer) is WithConstant and layer.operator in BINARY:
        return arithmetic(layer, columns)
    return None


def normalization(layer: Any, columns: int) -> tuple[Columns, Columns] | None:
    """(x - mean) / deviation, by the last axis or one for all; `invert` undoes it."""
    if tuple(layer.axis or ()) not in ((), (-1,), (len(layer.input_shape) - 1,)):
        return None
    mean, variance = (spread(np.asarray(each), columns) for each in (layer.mean, layer.variance))
    deviation = np.maximum(np.sqrt(variance), backend.keras().backend.epsilon())
    return (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)


def batch_normalization(layer: Any) -> tuple[Columns, Columns] | None:
    """Its moving statistics with its own scale and shift, by the last axis."""
    axis = layer.axis[0] if isinstance(layer.axis, list | tuple) else layer.axis
    if axis not in (-1, len(layer.input_shape) - 1):
        return None
    mean, variance = (each.numpy().astype(np.float64) for each in (layer.moving_mean, layer.moving_variance))
    scale = 1 / np.sqrt(variance + layer.epsilon)
    scale = scale * layer.gamma.numpy() if layer.scale else scale
    shift = layer.beta.numpy().astype(np.float64) if layer.center else np.zeros_like(mean)
    return scale, shift - mean * scale


def arithmetic(layer: Any, columns: int) -> tuple[Columns, Columns] | None:
    """Addition, subtraction, multiplication and division with one constant, or one for each column."""
    constant = np.asarray(layer.constant, np.float64)
    if constant.size not in (1, columns) or (layer.first and layer.operator == "divide"):
        return None
    value, one, none = spread(constant, columns), np.ones(columns), np.zeros(columns)
    if layer.operator in ("multiply", "divide"):
        return BINARY[layer.operator](one, value), none
    if layer.first and layer.operator == "subtract":
        return -one, value
    return one, BINARY[layer.operator](none, value)


def spread(value: Any, columns: int) -> Columns:
    """Return one number for all columns, or one for each, as (columns,)."""
    flat = np.asarray(value, np.float64).reshape(-1)
    return np.broadcast_to(flat, (columns,)) if flat.size == 1 else flat
