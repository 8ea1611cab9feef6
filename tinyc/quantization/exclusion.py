"""Layers left in float: which operators of a calibrated network are theirs."""

from __future__ import annotations

from collections.abc import Collection

from tinyc.core.errors import UserError
from tinyc.tflite.read.flatbuffer import describe


def outputs_of(calibrated: bytes, layers: Collection[str], where: str) -> tuple[str, ...]:
    """Name the outputs of the operators that compute these layers, in a calibrated float .tflite.

    An operator that does the work of several layers (a convolution with its normalization and ReLU) is that of the
    layer that it is named after, and of the others where they have no operator of their own.

    Raises:
        UserError: no operator is left of them.
    """
    described = describe(calibrated)
    named = [(op.layer, described.tensors[op.outputs[0]].name) for op in described.ops]
    found = {name for layer, name in named if layer in layers}
    for missing in set(layers) - {layer for layer, _ in named}:
        found |= {name for _, name in named if missing in sources(name)}
    if not found:
        problem = f"{', '.join(sorted(layers))}: no operator is left of them in the artifact"
        raise UserError(where, problem, "name layers that compute something: convolutions, dense layers, sums")
    return tuple(sorted(found))


def sources(name: str) -> set[str]:
    """Return the layers that an operator's output is named after: "net/relu/Relu;net/conv/Conv2D" -> relu, conv."""
    paths = [part.split("/") for part in name.split(";") if part]
    return {path[1] if len(path) > 2 else path[0] for path in paths}
