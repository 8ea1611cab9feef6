"""Files that keep a value from one inference to the next, and how each example is made to start from the same place.

TFLM's `reset()` and tflite-runtime's `reset_all_variables()` give variable tensors (LSTM, SVDF) their first values
again. Neither does so for resource variables (VAR_HANDLE): tflite-runtime keeps them, and TFLM sets them to zero
without running their initializer a second time. Files that have some are opened anew for each example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyc.tflite.read.description import Description
from tinyc.tflite.read.operators import TABLE_DECODER
from tinyc.tflite.read.schema import op_names

Start = Literal["as left", "reset", "opened"]
"""What comes before an example: nothing, a reset of the interpreter, or another interpreter."""

# Their state is a variable tensor; a file that does not mark it so is not to be trusted with a reset.
RECURRENT = frozenset({
    "RNN", "LSTM", "SVDF", "UNIDIRECTIONAL_SEQUENCE_RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_LSTM",
})  # fmt: skip
# Resource variables, and generators of random numbers, which go on where they stopped.
KEEPERS = frozenset({
    "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL",
})  # fmt: skip
# Custom operators that are known to keep nothing; any other may.
STATELESS = frozenset({TABLE_DECODER, "TFLite_Detection_PostProcess", "ethos-u"})


class OpenInterpreter(Protocol):
    """An interpreter with a file in it."""

    def reset(self) -> None:
        """Give variable tensors the values that they had when the file was opened."""

    def run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Give the output of each example, (examples, ...), in the file's own types."""


T = TypeVar("T", bound=OpenInterpreter)


def start_of(described: Description) -> Start:
    """Say what an example must be preceded by, so that no earlier one shows in its outputs."""
    names = {op.name for op in described.ops}
    customs = names - set(op_names().values()) - STATELESS
    variable = any(tensor.variable for tensor in described.tensors)
    if customs or names & KEEPERS or (names & RECURRENT and not variable):
        return "opened"
    return "reset" if variable else "as left"


def starts(opened: Callable[[], T], start: Start) -> Iterator[T]:
    """Give the interpreter for one example after another, each time as `start` says."""
    interpreter = opened()
    while True:
        yield interpreter
        if start == "opened":
            interpreter = opened()
        elif start == "reset":
            interpreter.reset()


class Restarted:
    """A file with state under one interpreter, one example at a time, each from the same place."""

    def __init__(self, opened: Callable[[], OpenInterpreter], start: Start) -> None:
        self.starts = starts(opened, start)
        self.current = next(self.starts)
        self.used = False

    def run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([self.next().run(example[None]) for example in inputs])

    def next(self) -> OpenInterpreter:
        """Return the interpreter for the next example; the first is the one that the file was opened in."""
        if self.used:
            self.current = next(self.starts)
        self.used = True
        return self.current
