"""Where two runtimes part: the first operator whose outputs differ, on examples whose results differ."""

from __future__ import annotations

import struct
from typing import Any

from numpy.typing import NDArray

from tinyc.core.errors import TinycError
from tinyc.tflite.read.description import Op
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run.output_difference import steps_apart, unlike
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.run.runtimes import Runtime

# What a tensor of these types holds is not a number, and interpreters crash when asked for it.
HANDLES = frozenset({"resource", "variant", "string"})


def first_parting(
    content: bytes,
    inputs: NDArray[Any],
    pool: Pool,
    left: Runtime,
    right: Runtime,
    *,
    steps: int,
    where: str,
    sequence: bool = False,
) -> Op | None:
    """Find the first operator after which two runtimes differ by more than `steps`; None if none does.

    In a `sequence` the inputs are run in their order, with the state that each leaves for the next.

    A copy of the file is made for each operator, in the order of execution, with that operator's output as the
    network's output, and run under both: so each interpreter shows a tensor that it really computed. (What they offer
    for inspection is no help: tflite-runtime overwrites tensors in place, and TFLM keeps them all only with another
    memory plan.) An operator whose output cannot be given out is passed over.
    """
    described = describe(content, where)
    for op in described.ops:
        if op.graph != 0 or not op.outputs or described.tensors[op.outputs[0]].dtype in HANDLES:
            continue
        cut = with_output(content, op.outputs[0])
        try:
            one, other = (
                pool.run(cut, inputs, runtime, where, lambda _: None, sequence).raw for runtime in (left, right)
            )
        except TinycError:
            continue
        if one.shape != other.shape or steps_apart(one, other).max(initial=0) > steps or unlike(one, other).any():
            return op
    return None


def with_output(content: bytes, tensor: int) -> bytes:
    """Make one tensor of the main graph the network's only output.

    A new vector is put behind the file: in a packed one the last operator shares the graph's.
    """
    table = schema().Model.GetRootAs(content, 0).Subgraphs(0)._tab
    # The outputs are field 2 of a SubGraph: vtable slot 4 + 2 * 2; an offset from the field to a vector of int32.
    field = table.Pos + table.Offset(8)
    padded = content + bytes(-len(content) % 4)
    return b"".join((
        padded[:field], struct.pack("<I", len(padded) - field), padded[field + 4 :], struct.pack("<Ii", 1, tensor),
    ))  # fmt: skip
