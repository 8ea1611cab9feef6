"""The least tensor arena with which TensorFlow Lite Micro starts and runs a file on this host; used inside a worker.

`print_allocations` tells what is left in use after an invoke. While TFLM allocates it needs more for a moment: its
memory planner keeps a record of every buffer above what is in use already, and where activations are small that reaches
further than the network ever will. So the total is where the search begins, and not its result. In an arena that is too
small TFLM often reads through a null pointer instead of failing, so that every size is tried in a process of its own.
"""

from __future__ import annotations

import itertools
import os
import re
import resource
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinyc.tflite.run import worker_stderr

ALIGNMENT = 16
LIMIT = 1 << 30
SHORT = re.compile(r"Failed to (resize buffer|allocate)|[Aa]rena size is too small")
TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


class ArenaTooLargeError(RuntimeError):
    """TFLM did not get by with the largest arena that is offered."""


def least(content: bytes, generous: int) -> int:
    """Give the least arena that allocates and invokes, in bytes, a multiple of 16.

    Inputs are zeros, whatever their number and shapes: what memory TFLM takes does not depend on values.

    Args:
        content: the .tflite.
        generous: an arena that is tried first, far larger than needed; it grows from there.

    Raises:
        RuntimeError, ValueError: TFLM does not run the file at all.
        ArenaTooLargeError: it does not run in a GiB.
    """
    total = aligned(reported(content, generous))
    size = smallest(lambda arena_bytes: survives(partial(micro_interpreter, content, arena_bytes)), total)
    while not survives(partial(invoke_once, content, size)):
        size += ALIGNMENT
        if size > LIMIT:
            raise ArenaTooLargeError(f"an arena of {LIMIT} bytes is too small to invoke")
    return size


def reported(content: bytes, generous: int) -> int:
    """Return what TFLM says that it has in use after an invoke, in bytes."""
    interpreter = offer(content, generous)
    zero_inputs(interpreter, 0)
    interpreter.invoke()
    worker_stderr.forget()
    interpreter.print_allocations()  # writes to C's stderr and nowhere else
    found = TOTAL.search(worker_stderr.text())
    if found is None:
        raise RuntimeError("TensorFlow Lite Micro did not say what it allocated")
    return int(found[1])


def smallest(works: Callable[[int], bool], start: int) -> int:
    """Find the least multiple of 16 that works, searched from `start` outwards in doubling steps, then by halves.

    Raises:
        ArenaTooLargeError: nothing up to a GiB works.
    """
    step = ALIGNMENT
    if works(start):
        good, bad = start, start - step
        while bad > 0 and works(bad):
            good, step = bad, 2 * step
            bad = good - step
        bad = max(bad, 0)
    else:
        good, bad = start + step, start
        while not works(good):
            bad, step = good, 2 * step
            good = bad + step
            if good > LIMIT:
                raise ArenaTooLargeError(f"an arena of {LIMIT} bytes is too small")
    while good - bad > ALIGNMENT:
        middle = aligned((good + bad) // 2)
        good, bad = (middle, bad) if works(middle) else (good, middle)
    return good


def survives(action: Callable[[], Any]) -> bool:
    """Do something in a process of its own: whether it neither raised nor crashed."""
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            action()
            os._exit(0)
        except BaseException:  # whatever happens, the child must not go on as a second worker
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def offer(content: bytes, arena_bytes: int, **options: Any) -> Any:
    """Open a file in TFLM with ever larger arenas; why it failed stands on C's stderr alone.

    Raises:
        ArenaTooLargeError: a GiB was too small.
    """
    while arena_bytes <= LIMIT:
        worker_stderr.forget()
        try:
            return micro_interpreter(content, arena_bytes, **options)
        except RuntimeError:
            if not SHORT.search(worker_stderr.text()):
                raise
        arena_bytes *= 4
    raise ArenaTooLargeError(f"an arena of {LIMIT} bytes is too small")


def micro_interpreter(content: bytes, arena_bytes: int, **options: Any) -> Any:
    from tflite_micro import runtime  # has no wheel for macOS

    return runtime.Interpreter.from_bytes(content, arena_size=arena_bytes, **options)


def invoke_once(content: bytes, arena_bytes: int) -> None:
    interpreter = micro_interpreter(content, arena_bytes)
    zero_inputs(interpreter, 0)
    interpreter.invoke()


def zero_inputs(interpreter: Any, first: int) -> None:
    """Set the inputs from number `first` on to zeros."""
    for place in itertools.count(first):
        try:
            details = interpreter.get_input_details(place)
        except IndexError:
            worker_stderr.forget()  # the complaint that there is no further input
            return
        interpreter.set_input(np.zeros(details["shape"], details["dtype"]), place)


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
