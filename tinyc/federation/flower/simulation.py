"""Clients in Ray's workers; Ray is started on this machine, or joined as a cluster, and let go of whatever happens.

This module imports Ray; so it is imported by the engine "simulation" alone.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayError

from tinyc.core.errors import MachineError, UserError
from tinyc.federation.client.request import first_line
from tinyc.federation.client.round import Client
from tinyc.federation.flower.environment import SWITCHES
from tinyc.federation.flower.messages import Answers, Content, Failure, content
from tinyc.network import backend

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 45.0
"""Seconds that a cluster's head has to be reached, and then to take a connection of Ray's."""
PAUSE = 0.1
TRIES = 50
LONGEST_FOLDER = 20
REMEDY = 'see that Ray can start here (memory, /dev/shm), or set engine = "process"'
PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR'); ray.shutdown()"


@contextmanager
def cluster(address: str | None, workers: int = 2) -> Iterator[None]:
    """Connect to Ray, or start one of at most so many workers here, which is gone afterwards.

    The machines of a cluster need tinyc and its extras.

    Raises:
        UserError: `address` is no HOST:PORT.
        MachineError: Ray does not start, does not answer within a minute, or goes away.
    """
    if ray.is_initialized():
        raise MachineError("federate", "this process is connected to Ray already", "end that connection first")
    if address is not None:
        reach(address)
    # Ray's sockets lie in it, of whose paths Linux allows 107 characters.
    short = "/tmp" if len(tempfile.gettempdir()) > LONGEST_FOLDER and os.path.isdir("/tmp") else None
    folder = tempfile.mkdtemp(prefix="tinyc-ray-", dir=short)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        connect(address, folder, min(workers, os.cpu_count() or 1))
        # Ray's own would end this process without a word.
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGTERM, handler)
        yield
    except RayError as error:
        raise MachineError("federate", f"the simulation stopped: {error}", REMEDY) from error
    finally:
        ray.shutdown()
        delete(folder)


def delete(folder: str) -> None:
    """Delete Ray's folder; its processes may still write into it while they end."""
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(PAUSE)
        if not os.path.exists(folder):
            return


def connect(address: str | None, folder: str, cores: int) -> None:
    """Start Ray in a folder, or join the cluster at an address.

    Workers started here import what this process can, and put their temporary files into the folder, which is deleted
    with them, since they are killed and cannot do so themselves.
    """
    around = {**SWITCHES, **backend.QUIET}
    where: dict[str, Any] = {"address": address}
    if address is None:
        around |= {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path), "TMPDIR": folder}
        where = {"_temp_dir": folder, "num_cpus": cores, "include_dashboard": False}
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR, runtime_env={"env_vars": around})
    except (RuntimeError, ConnectionError, ValueError, OSError, TimeoutError) as error:
        problem = f"Ray at {address} cannot be joined: {error}" if address else f"Ray does not start: {error}"
        raise MachineError("federate", problem, REMEDY) from error


def reach(address: str) -> None:
    """See that a cluster's head takes connections; Ray itself would wait for a dead one without end.

    So Ray is tried in a process of its own first, which can be ended.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UserError("federate.address", f"{address!r} is no HOST:PORT", 'for example "10.0.0.1:6379"')
    remedy = "start the head with `ray start --head`, or take `address` out to use this machine"
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        command = [sys.executable, "-c", PROBE, address]
        subprocess.run(command, check=True, timeout=ANSWER_SECONDS, capture_output=True, text=True)
    except subprocess.TimeoutExpired as error:
        problem = f"nothing at {address} answers as Ray does within {ANSWER_SECONDS:g} s"
        raise MachineError("federate.address", problem, remedy) from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise MachineError("federate.address", f"Ray at {address} cannot be joined: {last}", remedy) from error
    except OSError as error:
        raise MachineError("federate.address", f"{address} cannot be reached: {error}", remedy) from error


class Simulated:
    """Clients as the nodes 1, 2, ...; a message to one is a task of Ray's.

    Clients and messages go into Ray's object store, so each lies in memory once a machine. What a node keeps goes with
    its tasks.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self.names = {node: client.name for node, client in enumerate(clients, start=1)}
        self.clients = {node: ray.put(client) for node, client in enumerate(clients, start=1)}
        self.states = {node: content() for node in self.names}

    def present(self) -> Mapping[int, str]:
        """Name all clients, by node."""
        return self.names

    def ask(self, kind: str, contents: Mapping[int, Content], seconds: float) -> Answers:
        """Run as many clients at once as there are workers; what one raises is its answer, and who is late is ended."""
        distinct = {id(each): each for each in contents.values()}
        sent = {number: ray.put(each) for number, each in distinct.items()}
        tasks = {
            answer.remote(self.clients[node], sent[id(asked)], node, self.states[node]): node
            for node, asked in contents.items()
        }
        done, late = ray.wait(list(tasks), num_returns=len(tasks), timeout=seconds)
        for task in late:
            ray.cancel(task, force=True)  # its process, too: what hangs hears nothing else
        found: Answers = {}
        for task in done:
            node = tasks[task]
            try:
                found[node], self.states[node] = ray.get(task)
            except RayError as error:
                found[node] = Failure(first_line(getattr(error, "cause", None) or error))
        return found


@ray.remote(num_cpus=1, max_retries=0)
def answer(client: Client, asked: Content, node: int, state: Content) -> tuple[Content, Content]:
    """Answer in a worker; gives what the node keeps, too."""
    return client.answer(asked, node, state), state
