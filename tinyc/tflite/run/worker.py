"""The worker process: opens a .tflite in one interpreter and runs examples through it, without TensorFlow.

Started by `tinyc.tflite.run.link` as `python -m tinyc.tflite.run.worker FD`, where FD is a socket on which pickled
tuples travel: ("open", runtime, content, batch, arena_bytes, start), ("run", inputs), ("read", content, inputs,
tensors, arena_bytes, start) and ("arena", content, arena_bytes) come in; ("ready",), ("opened",), ("done", outputs),
("tensors", arrays), ("arena", bytes) and ("failed", kind, message, stderr) go out. The end of the socket ends the
process.
"""

from __future__ import annotations

import resource
import struct
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from tinyc.core import limits
from tinyc.tflite.run import arena, runtimes, worker_stderr

# What a file or a kernel can cause; anything else is a fault of this machine or of ours.
FILE_ERRORS = (RuntimeError, ValueError, IndexError, TypeError, MemoryError, OverflowError, struct.error)


def main() -> None:
    """Answer requests until the other side closes the socket."""
    connection = Connection(int(sys.argv[1]))
    bound_memory()
    session: runtimes.Session | None = None
    connection.send(("ready",))
    while True:
        try:
            request = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        worker_stderr.forget()
        try:
            if request[0] == "open":
                session = runtimes.open_session(*request[1:])
                reply: tuple[Any, ...] = ("opened",)
            elif request[0] == "read":
                reply = "tensors", runtimes.read_tensors(*request[1:])
            elif request[0] == "arena":
                reply = "arena", arena.least(*request[1:])
            else:
                reply = answer(session, request[1])
        except Exception as error:
            kind = "file" if isinstance(error, FILE_ERRORS) else "machine"
            reply = ("failed", kind, f"{type(error).__name__}: {error}", worker_stderr.text())
        try:
            connection.send(reply)
        except (BrokenPipeError, ConnectionResetError):
            return


def bound_memory() -> None:
    """Let a file that asks for all memory fail in this process alone."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = limits.WORKER_BYTES if hard == resource.RLIM_INFINITY else min(hard, limits.WORKER_BYTES)
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def answer(session: runtimes.Session | None, inputs: Any) -> tuple[Any, ...]:
    """Run one chunk of examples."""
    if session is None:
        raise KeyError("no file is open")
    return "done", session.run(inputs)


if __name__ == "__main__":
    main()
