"""Is a .tflite int8 throughout? A float left anywhere is a fault with a name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyc.core.errors import UserError
from tinyc.tflite.read.counterparts import held as integers
from tinyc.tflite.read.description import Tensor
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.layer_names import layer_name
from tinyc.tflite.read.schema import schema

SPLITS = ("SPLIT", "SPLIT_V")
INSTEAD = {
    "GroupNormalization": "take BatchNormalization in its place, and train the network again",
}


@dataclass(frozen=True)
class FloatOp:
    """One operator that reads or writes a float tensor."""

    op: str
    tensor: str


def float_ops(content: bytes) -> tuple[FloatOp, ...]:
    """List the operators that touch a float tensor, in the order they run."""
    described = describe(content)
    found = []
    for op in described.ops:
        touched = [described.tensors[i] for i in (*op.inputs, *op.outputs) if i >= 0]
        if any(is_float(tensor) for tensor in touched):
            found.append(FloatOp(op.name, described.tensors[op.outputs[0]].name))
    return tuple(found)


def float_tensors(content: bytes) -> int:
    """Count the float tensors of a .tflite."""
    return sum(is_float(tensor) for tensor in describe(content).tensors)


def is_float(tensor: Tensor) -> bool:
    return "float" in tensor.dtype


def zero_weights(content: bytes) -> float:
    """Give the share of zeros among the int8 and int4 weights of a .tflite; biases are not weights here."""
    model = schema().ModelT.InitFromPackedBuf(content, 0)
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors if is_weight(model, tensor)]
    held = {tensor.buffer: integers(model, tensor) for tensor in tensors}
    size = sum(data.size for data in held.values())
    return 1.0 - sum(int(np.count_nonzero(data)) for data in held.values()) / size if size else 0.0


def is_weight(model: Any, tensor: Any) -> bool:
    """Say whether a tensor of an opened file is a constant of at least two dimensions in int8 or int4."""
    small = tensor.type in (schema().TensorType.INT8, schema().TensorType.INT4)
    return small and len(tensor.shape) > 1 and model.buffers[tensor.buffer].data is not None


def is_left_by_chance(content: bytes, in_float: Collection[str] = ()) -> bool:
    """Say whether a SPLIT is in float, which the converter may still quantize when it is asked again.

    Args:
        in_float: outputs of the operators that are to stay in float.
    """
    return any(each.op in SPLITS for each in unwanted(float_ops(content), in_float))


def require_integer(content: bytes, network: Any, in_float: Collection[str] = ()) -> None:
    """Refuse a .tflite that computes anything in float, but for the operators with these outputs.

    Args:
        network: the Keras network that it was made of; or its name, where the layers' classes are not known.

    Raises:
        UserError: names the layer of the first operator in float, and how many there are.
    """
    left = float_ops(content)
    if not (inside := unwanted(left, in_float)):
        return
    layer = layer_name(inside[0].tensor, inside[0].op)
    kinds = {each.name: type(each).__name__ for each in getattr(network, "layers", ())}
    kind = next((kinds[name] for name in reversed(layer.split("/")) if name in kinds), None)
    where = f"{getattr(network, 'name', network)}, layer {layer}"
    op = f"{inside[0].op} stays in float ({len(left)} operators in all)"
    if kind in INSTEAD:
        raise UserError(where, f"{kind} has no int8 form here: {op}", INSTEAD[kind])
    remedy = "replace the layer by one with an int8 form, or write it from elementary operations"
    raise UserError(where, f"of this {kind} {op}" if kind else op, remedy)


def unwanted(left: Sequence[FloatOp], in_float: Collection[str]) -> Sequence[FloatOp]:
    """Of the operators that touch a float tensor, those that should not: the ones that compute, or else all."""
    inside = [
        each for each in left if each.op not in ("QUANTIZE", "DEQUANTIZE") and not excepted(each.tensor, in_float)
    ]
    return inside if inside or in_float else left


def excepted(tensor: str, in_float: Collection[str]) -> bool:
    """Say whether a tensor may be float.

    Where it is the network's output, the converter gave its name to the int8 one behind it, and a number to it.
    """
    return any(tensor.startswith(name) and not tensor[len(name) :].strip("0123456789") for name in in_float)
