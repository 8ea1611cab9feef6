"""Flower's simulation: clients in Ray's worker processes, on this machine or a cluster.

This module imports Ray and, by way of Flower, TensorFlow; so it is imported by the engine "simulation" alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import ray
from flwr.app import Context
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.simulation import run_simulation

from tinyc.core.errors import MachineError, TinycError
from tinyc.core.progress import Progress
from tinyc.federation.client.in_process import Answering
from tinyc.federation.flower.grid import Simulated
from tinyc.federation.flower.log import warnings_shown
from tinyc.federation.flower.messages import Transport
from tinyc.federation.flower.ray_cluster import REMEDY, cluster
from tinyc.federation.flower.worker import client_app

T = TypeVar("T")


def simulate(run: Callable[[Transport], T], clients: Sequence[Answering], address: str | None, progress: Progress) -> T:
    """Do something with a transport to clients in Ray's workers, and give what came of it.

    Ray runs on this machine's cores and is gone afterwards; with `address` its cluster is used, whose machines need
    tinyc and its extras. Clients go into Ray's object store, so each lies in memory once a machine.

    Raises:
        MachineError: Ray does not start, or the cluster does not answer within a minute; and what `run` raises.
    """
    with cluster(address, len(clients)):
        held = [ray.put(client) for client in clients]
        return outcome(run, client_app(lambda number: ray.get(held[number])), len(held), progress)


def outcome(run: Callable[[Transport], T], clients: ClientApp, count: int, progress: Progress) -> T:
    """Run in the thread that Flower gives its server apps; its end or error is handed over here."""
    ended: list[T] = []
    failed: list[BaseException] = []
    stop = threading.Event()
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        try:
            ended.append(run(Simulated(grid, stop, progress.say)))
        except BaseException as error:
            failed.append(error)

    config: Any = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}}
    try:
        with warnings_shown(progress):
            run_simulation(app, clients, count, backend_config=config)
    except TinycError:
        raise
    except (RuntimeError, ValueError, OSError) as error:
        if not failed:
            reason = error.__cause__ or error
            raise MachineError("federate", f"the simulation stopped: {reason}", REMEDY) from error
    finally:
        stop.set()
    if failed:
        raise failed[0]
    if not ended:
        raise MachineError("federate", "the simulation ended without a result", REMEDY)
    return ended[0]
