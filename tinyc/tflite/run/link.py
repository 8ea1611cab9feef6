"""One worker process seen from outside: started, spoken to, and ended whatever state it is in."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import weakref
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tinyc.core.interrupts import STATE

ROOT = Path(__file__).resolve().parents[3]
# Kernels and numpy keep to one thread each: the pool has a worker for every core.
LIVING: weakref.WeakSet[subprocess.Popen[bytes]] = weakref.WeakSet()
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class LostError(Exception):
    """The worker died, or did not take or give a message in time.

    Attributes:
        how: in words.
        signal: what ended it.
        busy: it gave no answer in time, and computed for more than an eighth of it; one that waits computes nothing.
    """

    def __init__(self, how: str, signal: int | None = None, busy: bool = False) -> None:
        super().__init__(how)
        self.how, self.signal, self.busy = how, signal, busy


class Link:
    """A worker and the socket to it; `patience` is how long one transfer may stall, in seconds.

    The worker gets its own session, so that ctrl-C reaches only this process, which then ends the worker.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        ours, theirs = socket.socketpair()
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(patience), int(patience % 1 * 1e6)))
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker; `end` closes it
        paths = [*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)]
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tinyc.tflite.run.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.stderr,
                pass_fds=[theirs.fileno()],
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,
            )
        LIVING.add(self.process)
        self.connection = Connection(ours.detach())
        self.asked = time.monotonic(), 0.0

    def send(self, message: tuple[Any, ...]) -> None:
        """Hand a message over.

        Raises:
            LostError: the worker is dead or does not read.
        """
        self.asked = time.monotonic(), self.computed()
        try:
            self.connection.send(message)
        except BlockingIOError as error:
            raise LostError("does not answer") from error
        except OSError as error:
            raise self.death() from error

    def receive(self) -> tuple[Any, ...]:
        """Take a message that has begun to arrive.

        Raises:
            LostError: the worker died, or stopped in the middle.
        """
        try:
            message: tuple[Any, ...] = self.connection.recv()
        except BlockingIOError as error:
            raise LostError("stopped in the middle of an answer") from error
        except (EOFError, OSError) as error:
            raise self.death() from error
        return message

    def overdue(self) -> LostError:
        """Say that the worker has not answered what it was last sent, and whether it computed meanwhile."""
        began, computed = self.asked
        waited = time.monotonic() - began
        return LostError(f"hung: it gave no answer in {waited:.0f} s", busy=8 * (self.computed() - computed) > waited)

    def computed(self) -> float:
        """Return the processor seconds that the worker has taken; 0 where the system does not say (not Linux)."""
        try:
            told = Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return 0.0
        user, system = told.rpartition(")")[2].split()[11:13]  # fields 14 and 15; the name before may hold blanks
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def death(self) -> LostError:
        """Say how the worker ended, with the last thing it said."""
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return LostError("closed its connection")
        ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        lines = os.pread(self.stderr.fileno(), 1 << 20, 0).decode(errors="replace").strip().splitlines()
        return LostError(ended + (f" ({lines[-1].strip()})" if lines else ""), -code if code < 0 else None)

    def end(self) -> None:
        """End the worker at once, with what it started, and reap it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.connection.close()
        self.stderr.close()


def end_living() -> None:
    """End every worker, whatever this process is doing with it."""
    for process in list(LIVING):
        if process.returncode is None:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)


STATE.at_the_end.append(end_living)
