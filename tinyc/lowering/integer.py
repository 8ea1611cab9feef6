"""Is a .tflite int8 throughout? A float left anywhere is a fault with a name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyc.errors import UserError
from tinyc.interpreters.description import Tensor
from tinyc.interpreters.flatbuffer import describe
from tinyc.interpreters.schema import schema


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
    """Give the share of zeros among the int8 weights of a .tflite; biases are not weights here."""
    model = schema().Model.GetRootAs(content, 0)
    tensors = [each for each in describe(content).tensors if each.stored_bytes and each.dtype == "int8"]
    held = {each.buffer: model.Buffers(each.buffer).DataAsNumpy() for each in tensors if len(each.shape) > 1}
    size = sum(data.size for data in held.values())
    return 1.0 - sum(int(np.count_nonzero(data)) for data in held.values()) / size if size else 0.0


def require_integer(content: bytes, network: str) -> None:
    """Refuse a .tflite that computes anything in float.

    Raises:
        UserError: names the first operator in float and how many there are.
    """
    left = float_ops(content)
    if not left:
        return
    inside = [each for each in left if each.op not in ("QUANTIZE", "DEQUANTIZE")] or list(left)
    raise UserError(
        f"{network}, layer {inside[0].tensor}",
        f"{inside[0].op} stays in float ({len(left)} operators in all)",
        "replace the layer by one with an int8 form, or write it from elementary operations",
    )
