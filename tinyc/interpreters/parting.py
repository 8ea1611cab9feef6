"""Where two runtimes part: the first operator whose outputs differ, on examples whose results differ."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.errors import TinycError
from tinyc.interpreters.description import Op
from tinyc.interpreters.flatbuffer import describe
from tinyc.interpreters.pool import Pool
from tinyc.interpreters.runtimes import Runtime
from tinyc.interpreters.schema import schema

# A float output has no steps; this fraction of its largest value is taken for one.
FLOAT_STEP = 1e-5


def steps_apart(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.int64]:
    """Count the quantization steps between two raw outputs, element by element."""
    apart = np.abs(left.astype(np.float64) - right.astype(np.float64))
    if np.issubdtype(right.dtype, np.floating):
        apart = np.floor(apart / (FLOAT_STEP * max(float(np.abs(right).max(initial=0.0)), 1e-30)))
    return np.asarray(apart, np.int64)


def first_parting(
    content: bytes, inputs: NDArray[Any], pool: Pool, left: Runtime, right: Runtime, *, steps: int, where: str
) -> Op | None:
    """Find the first operator after which two runtimes differ by more than `steps`; None if none does.

    A copy of the file is made for each operator, in the order of execution, with that operator's output as the
    network's output, and run under both: so each interpreter shows a tensor that it really computed. (What they offer
    for inspection is no help: tflite-runtime overwrites tensors in place, and TFLM keeps them all only with another
    memory plan.) An operator whose output cannot be given out is passed over.
    """
    for op in describe(content, where).ops:
        if op.graph != 0 or not op.outputs:
            continue
        cut = with_output(content, op.outputs[0])
        try:
            one, other = (pool.run(cut, inputs, runtime, where).raw for runtime in (left, right))
        except TinycError:
            continue
        if steps_apart(one, other).max(initial=0) > steps:
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
