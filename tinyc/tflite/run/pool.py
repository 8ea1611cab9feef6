"""Worker processes that run an artifact's examples over all cores, without TensorFlow."""

from __future__ import annotations

import hashlib
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import limits, machine, units
from tinyc.core.errors import MachineError, UserError
from tinyc.tflite.read.description import Tensor
from tinyc.tflite.read.flatbuffer import Description, describe
from tinyc.tflite.read.quantization import INTEGERS, dequantize, is_quantized
from tinyc.tflite.run import failures, runtimes
from tinyc.tflite.run.link import Link, LostError
from tinyc.tflite.run.runtimes import Runtime
from tinyc.tflite.run.spread import Job, Spread, least_arena, read_tensors

PATIENCE = 60.0
NUMBERS = INTEGERS | {"float32", "float16", "float64", "bool", "uint64"}
OPEN: weakref.WeakSet[Pool] = weakref.WeakSet()
"""Pools in use as context managers; the last of them that closes ends the workers in `IDLE`."""
IDLE: list[Link] = []
"""Workers that closed pools have left for others of this process."""


@dataclass(frozen=True)
class Run:
    """What an artifact gave for each example.

    Attributes:
        outputs: (examples, ...) float32, dequantized.
        raw: the same in the file's own type, int8 for an int8 artifact.
        arena_bytes: the least arena with which TFLM allocates and invokes here; None under the other runtimes.
        seconds: wall clock from the first worker's opening of the file; the workers' own start is not in it.
        runtime: the package and version that ran it.
    """

    outputs: NDArray[np.float32]
    raw: NDArray[Any]
    arena_bytes: int | None
    seconds: float
    runtime: str


class Pool:
    """Worker processes, one for each core, started when first needed and used again until the pool is closed.

    Use it as a context manager. While another pool of this process is open, the next one gets the workers of one that
    closes, since a start takes longer than most runs. A run that fails ends all workers; the next run starts new ones.

    Args:
        processes: how many workers; the cores this process may use where None.
        patience: how long a worker may be silent beyond its work, in seconds, before it counts as hung.
    """

    def __init__(self, processes: int | None = None, patience: float = PATIENCE) -> None:
        self.processes = processes or machine.cores()
        self.patience = patience
        self.links: list[Link] = []
        self.arenas: dict[bytes, int] = {}
        self.lock = threading.Lock()
        self.finalizer = weakref.finalize(self, end_all, self.links)

    def __enter__(self) -> Pool:
        OPEN.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        OPEN.discard(self)
        if OPEN:
            IDLE.extend(self.links)
            self.links.clear()
        else:
            self.close()
            end_all(IDLE)

    def close(self) -> None:
        """End all workers at once."""
        end_all(self.links)

    def start(self, count: int | None = None) -> None:
        """Start workers up to `count` (all where None) and wait until they are ready.

        Raises:
            MachineError: a worker does not start.
        """
        wanted = min(self.processes, count or self.processes)
        self.bury()
        self.links.extend(left_for(self.patience, wanted - len(self.links)))
        try:
            fresh = [Link(self.patience) for _ in range(wanted - len(self.links))]
            self.links.extend(fresh)
            for link in fresh:
                if not link.connection.poll(max(self.patience, PATIENCE)):
                    raise LostError("did not start in time")
                link.receive()
        except (LostError, OSError) as error:
            self.close()
            remedy = "free memory or processes on this machine, and see that tinyc's dependencies are installed"
            raise MachineError("the interpreters", f"a worker process did not start: {error}", remedy) from error

    def bury(self) -> None:
        """Forget workers that died while they had nothing to do; nothing was lost with them."""
        for link in [link for link in self.links if link.process.poll() is not None]:
            self.links.remove(link)
            link.end()

    def run(
        self,
        content: bytes,
        inputs: NDArray[Any],
        runtime: Runtime,
        where: str = "the artifact",
        advance: Callable[[int], None] = lambda _: None,
        sequence: bool = False,
    ) -> Run:
        """Run examples through a .tflite of one input and one output.

        Where the file keeps state (`states.start_of`), each example starts from a reset interpreter.

        Args:
            content: the file's bytes.
            inputs: (examples, *input shape without the batch) as the network sees them: float32, or token ids.
            runtime: "tflm", "fast" or "reference".
            where: the file's name, for messages.
            advance: called with the number of examples that have just been done.
            sequence: carry state from each example into the next, in their order, from one reset interpreter.

        Raises:
            UserError: the file is damaged, takes other inputs, holds an operator that the runtime lacks, or crashes it.
            MachineError: a worker was ended or hung, or the runtime is not installed.
        """
        name = runtimes.version(runtime)
        if name is None:
            raise failures.absent(runtime, where)
        description = describe(content, where)
        check_examples(description, inputs, where)
        job = Job(content, inputs, runtime, where, description, self.processes, advance, sequence)
        with self.lock:
            try:
                needed = 1 if sequence else -(-len(inputs) // job.chunk)
                self.start(needed)
                began = time.perf_counter()
                raw = Spread(self.links[:needed], job, self.patience).run()
                seconds = time.perf_counter() - began
            except BaseException:
                self.close()
                raise
        arena = self.arena_bytes(content, where) if runtime == "tflm" else None
        return Run(dequantize(raw, description.outputs[0]), raw, arena, seconds, name)

    def arena_bytes(self, content: bytes, where: str = "the artifact") -> int:
        """Find the least arena with which TFLM allocates and invokes a .tflite on this host, in bytes.

        Its inputs are zeros; it may have any number of them, and of outputs. A file that was asked for before is not
        tried again.

        Raises:
            UserError: TFLM does not take the file or crashes on it, or lacks one of its operators.
            MachineError: a worker was ended or hung, or TFLM is not installed.
        """
        if runtimes.version("tflm") is None:
            raise failures.absent("tflm", where)
        name = hashlib.sha256(content).digest()
        if name not in self.arenas:
            job = Job(content, np.empty(0), "tflm", where, describe(content, where), 1, lambda _: None)
            self.arenas[name] = self.alone(lambda link: least_arena(link, job, self.patience))
        return self.arenas[name]

    def tensors(
        self, content: bytes, inputs: NDArray[Any], tensors: Sequence[int], where: str = "the artifact"
    ) -> list[NDArray[Any]]:
        """Give what tensors of the main graph hold in TFLM for each of a few examples, in one worker.

        Args:
            content: the file's bytes.
            inputs: (examples, *input shape without the batch) as the network sees them.
            tensors: indices into `Description.tensors`.
            where: the file's name, for messages.

        Returns:
            For each tensor (examples, *shape without a batch of 1) in the file's own type.

        Raises:
            UserError, MachineError: as `run` does.
        """
        if runtimes.version("tflm") is None:
            raise failures.absent("tflm", where)
        description = describe(content, where)
        check_examples(description, inputs, where)
        job = Job(content, inputs, "tflm", where, description, 1, lambda _: None)
        found: list[NDArray[Any]] = self.alone(lambda link: read_tensors(link, job, tuple(tensors), self.patience))
        return found

    def alone(self, work: Callable[[Link], Any]) -> Any:
        """Give one worker something to do."""
        with self.lock:
            try:
                self.start(1)
                return work(self.links[0])
            except BaseException:
                self.close()
                raise


def undriven(description: Description) -> str | None:
    """Say what of a file's inputs and outputs examples cannot be run through; None where they can."""
    if len(description.inputs) != 1 or len(description.outputs) != 1:
        return f"has {counted(description.inputs, 'input')} and {counted(description.outputs, 'output')}"
    wanted = description.inputs[0].shape
    if not wanted or wanted[0] != 1 or min(wanted) < 0:
        return f"takes inputs of shape {wanted}"
    return unheld(description.inputs[0], "input") or unheld(description.outputs[0], "output")


def unheld(tensor: Tensor, what: str) -> str | None:
    """Say why an input or output cannot be numbers in memory; None where it can."""
    if tensor.dtype not in NUMBERS:
        return f"has an {what} of type {tensor.dtype}"
    if prod(map(abs, tensor.shape)) > limits.ACTIVATION_VALUES:
        return f"has an {what} of shape {tensor.shape}; at most {limits.ACTIVATION_VALUES:,} numbers are read"
    if is_quantized(tensor) and not (isfinite(tensor.scales[0]) and tensor.scales[0] > 0):
        return f"has an {what} with the scale {tensor.scales[0]}"
    return None


def counted(found: Sequence[object], name: str) -> str:
    return f"{len(found)} {name}{'' if len(found) == 1 else 's'}"


def check_examples(description: Description, inputs: NDArray[Any], where: str) -> None:
    """Refuse files of several inputs or outputs, and examples of another shape than the file's."""
    if problem := undriven(description):
        raise UserError(where, problem, "give a network of one input, with a batch of 1, and one output")
    wanted = description.inputs[0].shape
    if not len(inputs):
        raise UserError(where, "was given no examples", "give at least one")
    outputs_bytes = len(inputs) * description.outputs[0].bytes
    if outputs_bytes > limits.OUTPUTS_BYTES:
        problem = f"gives {units.show_bytes(outputs_bytes)} for {len(inputs):,} examples"
        raise UserError(where, f"{problem}; at most {units.show_bytes(limits.OUTPUTS_BYTES)} are kept", "give fewer")
    if tuple(inputs.shape[1:]) != wanted[1:]:
        problem = f"takes examples of shape {wanted[1:]} and was given {tuple(inputs.shape[1:])}"
        raise UserError(where, problem, "give the data that the network was made for")


def left_for(patience: float, count: int) -> list[Link]:
    """Take over up to `count` workers that closed pools have left, of those that are as patient and alive."""
    found: list[Link] = []
    for link in [link for link in IDLE if link.patience == patience]:
        if len(found) < count:
            IDLE.remove(link)
            if link.process.poll() is None:
                found.append(link)
            else:
                link.end()
    return found


def end_all(links: list[Link]) -> None:
    """End workers and forget them."""
    while links:
        links.pop().end()
