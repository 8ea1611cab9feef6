"""What each layer of a state weighs, and what its bytes are for, for the report."""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod

from tinyc.measure import Ledger
from tinyc.network.signal_layers import BACK, FRONT
from tinyc.network.state import Net, State
from tinyc.report.kilobytes import coarse
from tinyc.report.views import Kilobytes, Layer
from tinyc.tflite.read.anatomy import anatomy
from tinyc.tflite.read.flatbuffer import describe

FLOAT_BYTES = 4


def of_state(state: State) -> tuple[Layer, ...]:
    """Return the layers that hold constants."""
    return of_net(state) if isinstance(state, Net) else of_flat(state.content)


def with_names(found: tuple[Layer, ...], before: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Call the layers of a stripped artifact as they were called before, where they are the same."""
    if [layer.kind for layer in found] != [layer.kind for layer in before]:
        return found
    return tuple(replace(layer, name=old.name) for layer, old in zip(found, before, strict=True))


def of_net(net: Net) -> tuple[Layer, ...]:
    """Return the layers of a Keras network; `bytes` as float32, BatchNorm still on its own."""
    counts = [(layer, sum(prod(weight.shape) for weight in layer.weights)) for layer in net.model.layers]
    return tuple(
        Layer(layer.name, type(layer).__name__, count * FLOAT_BYTES, count, None) for layer, count in counts if count
    )


def of_flat(content: bytes) -> tuple[Layer, ...]:
    """Return the operators of a .tflite that hold constants; stripped of names they are called by their place."""
    return tuple(
        Layer(op.layer or f"op {op.index}", op.name, op.weight_bytes, op.params, op.macs)
        for op in describe(content).ops
        if op.weight_bytes
    )


def kilobytes(index: int, ledger: Ledger, layers: tuple[Layer, ...], content: bytes | None) -> Kilobytes:
    """Sort a state's bytes by kind and by group of layers; `content` is its .tflite where it has one."""
    kinds = coarse(ledger) if content is None else anatomy(content, describe(content))
    groups: dict[str, int] = {}
    for layer in layers:
        name = group(layer.name)
        groups[name] = groups.get(name, 0) + layer.bytes
    return Kilobytes(index, kinds, groups)


def group(name: str) -> str:
    """Return what stands before the first mark of a layer's name; preprocessing differs from what undoes it."""
    fixed = next((prefix for prefix in (FRONT, BACK) if name.startswith(prefix)), None)
    return fixed.rstrip("_") if fixed else re.split(r"[_/.]", name)[0] or name
