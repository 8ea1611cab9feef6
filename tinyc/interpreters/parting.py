"""Where two runtimes part: the first operator whose outputs differ, on examples whose results differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.errors import UserError
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
        except UserError:
            continue
        if steps_apart(one, other).max(initial=0) > steps:
            return op
    return None


def with_output(content: bytes, tensor: int) -> bytes:
    """Make one tensor of the main graph the network's output, by overwriting the index of its only output."""
    table = schema().Model.GetRootAs(content, 0).Subgraphs(0)._tab
    # The outputs are field 2 of a SubGraph: vtable slot 4 + 2 * 2; int32, little-endian.
    start = table.Vector(table.Offset(8))
    return content[:start] + tensor.to_bytes(4, "little", signed=True) + content[start + 4 :]
