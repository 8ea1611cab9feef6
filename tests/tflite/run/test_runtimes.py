"""Batches of the fast kernels: used where they compute what single examples do, and nowhere else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinyc.tflite.run.runtimes import Lite

INPUTS = np.arange(80, dtype=np.int8).reshape(40, 2)


class Negating:
    """An interpreter that gives minus its input; `flaw` says what goes wrong with a batch."""

    def __init__(self, flaw: str) -> None:
        self.flaw, self.batch, self.invoked = flaw, 1, 0

    def allocate_tensors(self) -> None:
        if self.batch > 1 and self.flaw == "refuses to prepare":
            raise RuntimeError("RESHAPE failed to prepare")

    def get_input_details(self) -> Any:
        return [{"index": 0}]

    get_output_details = get_input_details

    def resize_tensor_input(self, _: int, shape: list[int]) -> None:
        self.batch = shape[0]

    def set_tensor(self, _: int, value: Any) -> None:
        assert len(value) == self.batch
        self.value = -value

    def invoke(self) -> None:
        self.invoked += 1
        if self.batch > 1 and self.flaw == "refuses to run":
            raise RuntimeError("TRANSPOSE_CONV failed to invoke")
        if self.batch > 1 and self.flaw == "reads one example":
            self.value = self.value[:1]
        if self.batch > 1 and self.flaw == "mixes examples":
            self.value = self.value + self.value.mean(axis=0).astype(np.int8)

    def get_tensor(self, _: int) -> Any:
        return self.value


def lite(flaw: str) -> tuple[Lite, list[Negating]]:
    made: list[Negating] = []

    def interpreter(**_: Any) -> Negating:
        made.append(Negating(flaw))
        return made[-1]

    module = SimpleNamespace(Interpreter=interpreter, OpResolverType=SimpleNamespace(AUTO=1, BUILTIN_REF=2))
    return Lite(module, b"", "fast", batch=16), made


@pytest.mark.parametrize(
    "flaw", ["none", "refuses to prepare", "refuses to run", "reads one example", "mixes examples"]
)
def test_results_are_those_of_single_examples(flaw: str) -> None:
    session, made = lite(flaw)
    for _ in range(2):
        assert np.array_equal(session.run(INPUTS), -INPUTS)
    single, many = made
    assert (single.invoked < 40) == (flaw == "none")
    assert many.batch == 16
