"""Flower's simulation: the same rounds over clients in Ray's worker processes, on this machine or a cluster."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import MachineError, TinycError, UserError
from tinyc.federation import flower, rounds
from tinyc.federation.apps import Workplace, client_app
from tinyc.federation.server import Finished, Server
from tinyc.network import backend

if TYPE_CHECKING:
    from tinyc.data.dataset import TrainingData
    from tinyc.federation.job import Job
    from tinyc.federation.protection import Outgoing

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 45.0
"""Seconds that a cluster's head has to be reached, and then to take a connection of Ray's."""
PAUSE = 0.1
TRIES = 50
LONGEST_FOLDER = 20
Through = Callable[[Any], Any]
PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR'); ray.shutdown()"


def unprotected(job: Job) -> tuple[Outgoing, ...]:
    """Let updates out as they are."""
    return ()


def simulate(
    server: Server,
    parts: Mapping[str, TrainingData],
    protections: Callable[[Job], tuple[Outgoing, ...]] = unprotected,
    memory: Path | None = None,
    mods: Sequence[Any] = (),
    through: Through = lambda grid: grid,
) -> Finished:
    """Train all rounds with Flower's simulation engine; a client of each name has that part of the data.

    `mods` are Flower's, around a client's training; `through` puts a grid of another kind over Flower's.

    Ray runs on this machine's cores and is gone afterwards; with `options.address` its cluster is used, whose machines
    need tinyc and its extras. The parts go into Ray's object store, so each lies in memory once a machine.

    Raises:
        MachineError: Ray is missing, does not start, or the cluster does not answer within a minute; and what
            `rounds.run` raises.
    """
    with cluster(server.options.address, len(parts)) as ray:
        held = [ray.put(part) for part in parts.values()]
        place = Workplace(name_by(list(parts)), data_by(held), protections, memory)
        return outcome(server, client_app(place, mods), len(held), through)


def name_by(names: Sequence[str]) -> Callable[[Any], str]:
    return lambda context: names[int(context.node_config["partition-id"])]


def data_by(held: Sequence[Any]) -> Callable[[Job, Any], TrainingData]:
    """Look a client's part up in Ray's object store; runs in a worker."""

    def data(job: Job, context: Any) -> TrainingData:
        import ray

        found: TrainingData = ray.get(held[int(context.node_config["partition-id"])])
        return found

    return data


def outcome(server: Server, clients: Any, supernodes: int, through: Through) -> Finished:
    """Run the rounds in the thread that Flower gives its server apps; their end or error is handed over here."""
    from flwr.serverapp import ServerApp
    from flwr.simulation import run_simulation

    ended: list[Finished] = []
    failed: list[BaseException] = []
    stop = threading.Event()
    app = ServerApp()

    @app.main()
    def main(grid: Any, context: Any) -> None:
        try:
            ended.append(rounds.run(server, through(Stoppable(grid, stop))))
        except BaseException as error:
            failed.append(error)

    config: Any = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}}
    try:
        with flower.heard(server.progress):
            run_simulation(app, clients, supernodes, backend_config=config)
    except TinycError:
        raise
    except (RuntimeError, ValueError, OSError) as error:
        if not failed:
            reason = error.__cause__ or error
            raise MachineError("federate", f"the simulation stopped: {reason}", REMEDY) from error
    finally:
        stop.set()
    return result(ended, failed)


REMEDY = 'see that Ray can start here (memory, /dev/shm), or set engine = "process"'


def result(ended: list[Finished], failed: list[BaseException]) -> Finished:
    if failed:
        raise failed[0]
    if not ended:
        raise MachineError("federate", "the simulation ended without a result", REMEDY)
    return ended[0]


class Stopped(Exception):
    """The simulation around the rounds has ended; nobody waits for them."""


@dataclass(frozen=True)
class Stoppable:
    """A grid whose waits end when the simulation does, so that no thread is left behind by an interrupt."""

    grid: Any
    stop: threading.Event

    def __getattr__(self, name: str) -> Any:
        return getattr(self.grid, name)

    def get_node_ids(self) -> list[int]:
        if self.stop.is_set():
            raise Stopped
        return list(self.grid.get_node_ids())

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
        """Send messages and wait for their replies, at most `timeout` seconds."""
        waiting = set(self.grid.push_messages(messages))
        end = None if timeout is None else time.monotonic() + timeout
        came: list[Any] = []
        while waiting:
            if self.stop.is_set():
                raise Stopped
            new = list(self.grid.pull_messages(waiting))
            came += new
            waiting -= {each.metadata.reply_to_message_id for each in new}
            if end is not None and time.monotonic() > end:
                break
            time.sleep(PAUSE if waiting else 0)
        return came


@contextmanager
def cluster(address: str | None, workers: int = 2) -> Iterator[Any]:
    """Connect to Ray, or start one of at most so many workers here; it is let go of, or ended, whatever happens.

    Raises:
        UserError: `address` is no HOST:PORT.
        MachineError: Ray is missing, does not start, or does not answer.
    """
    ray = flower.ray()
    # Flower imports TensorFlow on the way to Ray, here and in every worker: so it is by our door, and quietly.
    backend.tensorflow()
    if ray.is_initialized():
        raise MachineError("federate", "this process is connected to Ray already", "end that connection first")
    if address is not None:
        reach(address)
    folder = tempfile.mkdtemp(prefix="tinyc-ray-", dir=near())
    handler = signal.getsignal(signal.SIGTERM)
    try:
        connect(ray, address, folder, min(workers, os.cpu_count() or 1))
        # Ray's own would end this process without a word.
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGTERM, handler)
        yield ray
    finally:
        ray.shutdown()
        delete(folder)


def near() -> str | None:
    """Give a place whose path is short enough for Ray's sockets, of which Linux allows 107 characters."""
    return "/tmp" if len(tempfile.gettempdir()) > LONGEST_FOLDER and os.path.isdir("/tmp") else None


def delete(folder: str) -> None:
    """Delete Ray's folder; its processes may still write into it while they end."""
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(PAUSE)
        if not os.path.exists(folder):
            return


def connect(ray: Any, address: str | None, folder: str, cores: int) -> None:
    switches = {"env_vars": {**flower.SWITCHES, **backend.QUIET}}
    where: dict[str, Any] = {"address": address, "runtime_env": switches} if address else {"_temp_dir": folder}
    if not address:
        where |= {"num_cpus": cores, "include_dashboard": False}
    try:
        with inherited(None if address else folder):
            ray.init(log_to_driver=False, logging_level="ERROR", **where)
    except (RuntimeError, ConnectionError, ValueError, OSError, TimeoutError) as error:
        problem = f"Ray at {address} cannot be joined: {error}" if address else f"Ray does not start: {error}"
        raise MachineError("federate", problem, REMEDY) from error


@contextmanager
def inherited(folder: str | None) -> Iterator[None]:
    """Set what Ray's processes take over when they are started: that they import what this one can, and put their
    temporary files into a folder that goes with them, since they are killed and cannot delete them.
    """
    switches = {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    switches |= {"TMPDIR": folder} if folder else {}
    before = {name: os.environ.get(name) for name in switches}
    os.environ.update(switches)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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
