"""One job on its way through the workers: cut into chunks, given out, and put together in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import limits
from tinyc.tflite.read.description import Description
from tinyc.tflite.read.operators import BATCHABLE
from tinyc.tflite.read.quantization import quantize
from tinyc.tflite.run import arena, failures, states
from tinyc.tflite.run.link import Link, LostError
from tinyc.tflite.run.runtimes import Runtime
from tinyc.tflite.run.states import Start

# No host is slower than this, in multiply-accumulates a second, even under TFLM's reference kernels.
SLOWEST = 2e7
# What one inference is assumed to take where it has no count: more than a network for a microcontroller does.
UNCOUNTED = 1e9
CHUNKS_PER_WORKER = 16
LARGEST_CHUNK = 256
BATCH = 32
BATCH_BYTES = 32 << 20
FIRST_ARENA = 1 << 20


@dataclass(frozen=True)
class Job:
    """One file with its examples under one runtime.

    `sequence` carries state from each example into the next, in one worker; without it no example sees another.
    """

    content: bytes
    inputs: NDArray[Any]
    runtime: Runtime
    where: str
    description: Description
    workers: int
    advance: Callable[[int], None]
    sequence: bool = False

    @property
    def start(self) -> Start:
        """What each example is preceded by."""
        return "as left" if self.sequence else states.start_of(self.description)

    @property
    def chunk(self) -> int:
        """Examples in a request, in whole batches where it matters.

        Small enough to spread, to show progress, and to notice a worker that hangs.
        """
        even = len(self.inputs) // (self.workers * CHUNKS_PER_WORKER)
        patient = int(limits.REQUEST_SECONDS / max(self.seconds(1), 1e-9))
        return max(1, min(LARGEST_CHUNK, even, patient) // self.batch) * self.batch

    @property
    def batch(self) -> int:
        """Examples that the fast kernels take at once, bounded by the largest tensor's memory."""
        keeps = states.start_of(self.description) != "as left"
        if self.runtime != "fast" or keeps or any(op.name not in BATCHABLE for op in self.description.ops):
            return 1
        largest = max(tensor.bytes for tensor in self.description.tensors if not tensor.stored_bytes)
        return max(1, min(BATCH, BATCH_BYTES // max(1, largest)))

    def seconds(self, examples: int) -> float:
        """Return how long the slowest host computes so many examples."""
        macs = self.description.macs
        return examples * min(limits.EXAMPLE_SECONDS, (UNCOUNTED if macs is None else macs) / SLOWEST)

    @property
    def arena_bytes(self) -> int:
        """The first arena to offer TFLM: generous, since untouched memory costs nothing."""
        activations = sum(tensor.bytes for tensor in self.description.tensors if not tensor.stored_bytes)
        return min(arena.LIMIT, max(FIRST_ARENA, 10 * len(self.content), 2 * activations))


class Spread:
    """One job on its way through the workers: each takes the next chunk as it finishes one."""

    def __init__(self, links: Sequence[Link], job: Job, patience: float) -> None:
        self.links: dict[Any, Link] = {link.connection: link for link in links}
        self.job, self.patience = job, patience
        self.waiting = deque(range(0, len(job.inputs), job.chunk))
        self.busy: dict[Any, tuple[int | None, float]] = {}
        self.done: dict[int, NDArray[Any]] = {}

    def run(self) -> NDArray[Any]:
        """Give the raw outputs in the order of the examples."""
        job = self.job
        for connection in self.links:
            self.send(connection, ("open", job.runtime, job.content, job.batch, job.arena_bytes, job.start), None, 0)
        while self.busy:
            overdue = min(deadline for _, deadline in self.busy.values())
            ready = wait(list(self.busy), max(0.0, overdue - time.monotonic()))
            if not ready:
                slowest = min(self.busy, key=lambda connection: self.busy[connection][1])
                raise failures.lost(job.runtime, job.where, self.links[slowest].overdue())
            for connection in ready:
                self.take(connection)
        return np.concatenate([self.done[start] for start in sorted(self.done)])

    def send(self, connection: Any, message: tuple[Any, ...], start: int | None, examples: int) -> None:
        try:
            self.links[connection].send(message)
        except LostError as error:
            raise failures.lost(self.job.runtime, self.job.where, error) from error
        self.busy[connection] = (start, time.monotonic() + self.patience + self.job.seconds(examples))

    def take(self, connection: Any) -> None:
        """Take one answer, and give the worker its next chunk."""
        start, _ = self.busy.pop(connection)
        try:
            answer = self.links[connection].receive()
        except LostError as error:
            raise failures.lost(self.job.runtime, self.job.where, error) from error
        if answer[0] == "failed":
            raise failure(self.job, *answer[1:])
        if start is not None:
            self.done[start] = answer[1]
            self.job.advance(len(answer[1]))
        if self.waiting:
            start = self.waiting.popleft()
            chunk = quantize(self.job.inputs[start : start + self.job.chunk], self.job.description.inputs[0])
            self.send(connection, ("run", chunk), start, len(chunk))


def failure(job: Job, kind: str, message: str, said: str) -> Exception:
    """Turn a worker's complaint into the error that the user is shown."""
    if kind == "file":
        return failures.refused(job.runtime, job.where, job.description.ops, message, said)
    return failures.broken(job.runtime, job.where, message)


def read_tensors(link: Link, job: Job, tensors: tuple[int, ...], patience: float) -> list[NDArray[Any]]:
    """Let one worker run a job and give the values of its tensors, in the order asked for."""
    inputs = quantize(job.inputs, job.description.inputs[0])
    # Tensors that all keep memory of their own take more than an inference needs.
    request = ("read", job.content, inputs, tensors, 2 * job.arena_bytes, job.start)
    found: list[NDArray[Any]] = ask(link, job, request, patience)
    return found


def least_arena(link: Link, job: Job, patience: float) -> int:
    """Let one worker find the least arena of a job's file, in bytes; its examples do not matter."""
    found: int = ask(link, job, ("arena", job.content, job.arena_bytes), patience)
    return found


def ask(link: Link, job: Job, request: tuple[Any, ...], patience: float) -> Any:
    """Put one question about a job to one worker, and give what it answers.

    Raises:
        UserError, MachineError: as a run does.
    """
    try:
        link.send(request)
        if not link.connection.poll(patience + job.seconds(max(1, len(job.inputs)))):
            raise link.overdue()
        answer = link.receive()
    except LostError as error:
        raise failures.lost(job.runtime, job.where, error) from error
    if answer[0] == "failed":
        raise failure(job, *answer[1:])
    return answer[1]
