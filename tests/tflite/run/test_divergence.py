"""The first operator where two runtimes part, found by giving out every tensor in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import tiny

from tinyc.core.errors import MachineError
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.divergence import first_parting, with_output
from tinyc.tflite.run.output_difference import steps_apart
from tinyc.tflite.run.pool import Pool, Run
from tinyc.tflite.run.runtimes import Runtime
from tinyc.tflite.write.strip import strip


class Skewed:
    """A pool whose TFLM is wrong from one operator on."""

    def __init__(self, pool: Pool, tensor: int) -> None:
        self.pool, self.tensor = pool, tensor

    def run(self, content: bytes, inputs: Any, runtime: Runtime, *rest: Any) -> Run:
        run = self.pool.run(content, inputs, runtime, *rest)
        wrong = runtime == "tflm" and describe(content).outputs[0].index >= self.tensor
        return replace(run, raw=run.raw ^ 1) if wrong else run


@pytest.mark.parametrize("write", [bytes, strip])
def test_any_tensor_can_be_the_output(pool: Pool, write: Callable[[bytes], bytes]) -> None:
    """In an exported file equal vectors are one: the last operator's outputs and the network's."""
    content = write(tiny.plain())
    for op in describe(content).ops:
        cut = with_output(content, op.outputs[0])
        assert [each.outputs for each in describe(cut).ops] == [each.outputs for each in describe(content).ops]
        assert describe(cut).outputs == (describe(content).tensors[op.outputs[0]],)
        tflm, reference = (pool.run(cut, tiny.examples(2), runtime).raw for runtime in ("tflm", "reference"))
        assert np.array_equal(tflm, reference)
        assert tflm.shape[1:] == describe(cut).outputs[0].shape[1:]


def test_the_first_operator_that_differs_is_found(pool: Pool) -> None:
    content, x = tiny.mixed(), tiny.examples(3)
    for op in describe(content).ops[2:]:
        skewed: Any = Skewed(pool, op.outputs[0])
        assert first_parting(content, x, skewed, "tflm", "reference", steps=0, where="x") == op
        assert first_parting(content, x, skewed, "tflm", "reference", steps=1, where="x") is None
    assert first_parting(content, x, pool, "tflm", "reference", steps=0, where="x") is None


def test_steps_of_floats_are_relative_to_the_largest() -> None:
    right = np.array([[100.0, 1.0]], np.float32)
    assert steps_apart(right + np.float32(0.0005), right).max() == 0
    assert steps_apart(right + np.float32(0.5), right).max() > 100
    assert steps_apart(np.array([[-128]], np.int8), np.array([[127]], np.int8)).max() == 255


def test_a_worker_that_crashes_on_a_cut_file_does_not_end_the_search(pool: Pool) -> None:
    content, x = tiny.mixed(), tiny.examples(3)
    last = describe(content).ops[-1]

    class Crashing(Skewed):
        def run(self, content: bytes, inputs: Any, runtime: Runtime, *rest: Any) -> Run:
            if describe(content).outputs[0].index != self.tensor:
                raise MachineError("the artifact", "the worker process was ended by SIGSEGV")
            return super().run(content, inputs, runtime)

    crashing: Any = Crashing(pool, last.outputs[0])
    assert first_parting(content, x, crashing, "tflm", "reference", steps=0, where="x") == last
