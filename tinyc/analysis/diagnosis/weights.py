"""An operator's kernel as the artifact holds it, beside the float network's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.tflite.read.description import BITS, Description, Op, Tensor
from tinyc.tflite.read.flatbuffer import Reader
from tinyc.tflite.read.values import stored_values

# Where a kernel's output channels lie, by operator; the kernel is input 1 of each.
AXES = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0, "DEPTHWISE_CONV_2D": 3}
File = tuple[bytes, Description, Op]


@dataclass(frozen=True)
class Weights:
    """A kernel, (output channels, rest): as the float network has it and as the artifact holds it, real values.

    `rounded` are the float values in the artifact's steps, which differ from `held` where the artifact was trained on.
    """

    wanted: NDArray[np.float32]
    held: NDArray[np.float32]
    rounded: NDArray[np.float32]
    bits: int
    scales: int


def weights(artifact: File, network: File) -> Weights | None:
    """Read a kernel from both files; None where the operator has no constant kernel in both, of one shape."""
    op = artifact[2]
    if op.name not in AXES or network[2].name != op.name:
        return None
    (tensor, held), (_, wanted) = second_input(artifact), second_input(network)
    if held is None or wanted is None or held.shape != wanted.shape or wanted.dtype.kind != "f":
        return None
    axis = AXES[op.name]

    def rows(values: NDArray[Any]) -> NDArray[np.float32]:
        moved = np.moveaxis(values, axis, 0)
        return np.ascontiguousarray(moved.reshape(len(moved), -1), np.float32)

    if not tensor.scales:
        return Weights(rows(wanted), rows(held), rows(wanted), BITS.get(tensor.dtype, 32), 0)
    scales = np.asarray(tensor.scales, np.float32)[:, None]
    limit = 2 ** (BITS[tensor.dtype] - 1) - 1
    rounded = np.clip(np.rint(rows(wanted) / scales), -limit, limit) * scales
    return Weights(rows(wanted), rows(held) * scales, rounded, BITS[tensor.dtype], len(tensor.scales))


def second_input(file: File) -> tuple[Tensor, NDArray[Any] | None]:
    """Return the numbers of an operator's second input; None where it is computed."""
    content, described, op = file
    tensor = described.tensors[op.inputs[1]]
    data = Reader(content).data(tensor.buffer)
    return tensor, stored_values(tensor, data) if len(data) else None
