"""What a .tflite holds, as plain values: its tensors, its operators, and what they weigh."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

BITS = {
    **dict.fromkeys(("int2",), 2),
    **dict.fromkeys(("int4", "uint4"), 4),
    **dict.fromkeys(("int8", "uint8", "bool", "float8_e4m3fn", "float8_e5m2"), 8),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 16),
    **dict.fromkeys(("int32", "uint32", "float32"), 32),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 64),
    **dict.fromkeys(("complex128",), 128),
}


@dataclass(frozen=True)
class Tensor:
    """One tensor: `stored_bytes` is what the file holds of it (0 for activations), `buffer` where it is held.

    A dimension that is left open until the network runs is -1 in `shape` and counts as one element; a `variable` keeps
    its value from one inference to the next.
    `scales` and `zero_points` have one entry per tensor, or one per channel along `axis`; empty where not quantized.
    `axis` is as the file says; where it means nothing, as beside one scale, files hold any number there.
    A `sparse` tensor stores some of its elements, and elsewhere in the file their places.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    buffer: int
    stored_bytes: int
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    variable: bool = False
    sparse: bool = False

    @property
    def elements(self) -> int:
        return abs(math.prod(self.shape))

    @property
    def bytes(self) -> int:
        """What the tensor takes in memory."""
        return -(-self.elements * BITS.get(self.dtype, 8) // 8)


@dataclass(frozen=True)
class Op:
    """One operator in order of execution; tensors by index into `Description.tensors`, -1 for an absent input.

    `layer` is read off the name of its output and empty where names were stripped; `weight_bytes` and `params` count
    a constant that several operators share at the first of them. `graph` 0 is the main graph. `macs` are those of one
    inference, so that an operator in a loop counts as often as the loop runs; None where there is no count. Of a graph
    that the main one never runs they are those of one run. A `custom` operator is known by its name alone. `strides`
    and `dilations` are those of its window, down and across; 1 where it has none.
    """

    index: int
    graph: int
    name: str
    layer: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    weight_bytes: int
    params: int
    macs: int | None
    custom: bool = False
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)

    @property
    def where(self) -> str:
        """Name the operator for people."""
        return f"op {self.index} {self.name}" + (f" (layer {self.layer})" if self.layer else "")


@dataclass(frozen=True)
class Description:
    """What a .tflite holds.

    `params` counts constant weights, biases, scales, shifts and embedding tables by logical shape, once for each
    tensor however often it is used; `nonzero_params` those that differ from their zero point. `weight_bytes` is what
    the file holds of them (tensors of equal bytes share a buffer), `metadata_bytes` all the rest of the file.
    `macs` are the multiply-accumulates of one inference of the main graph; None where `uncounted` names operators
    that may do some which nobody counted.
    """

    file_bytes: int
    params: int
    nonzero_params: int
    weight_bytes: int
    metadata_bytes: int
    macs: int | None
    uncounted: tuple[str, ...]
    tensors: tuple[Tensor, ...] = field(repr=False)
    ops: tuple[Op, ...] = field(repr=False)
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
