"""Flower's SuperLink inside the server's own process, with a door that lets registered terminals in and nothing else.

Flower's command serves three interfaces on one port: the fleet's (terminals), the control's (whoever starts runs and
registers keys) and the runtime's (whoever executes an app). Only the first asks who is there. Here the SuperLink lives
beside the rounds, which reach it without a port, so the door opens the fleet's alone. How connections are let in is the
doorway's, and which requests the door's.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import certificates, door, doorway
from tinyc.federation.certificates import ServerKeys
from tinyc.federation.flower import settle
from tinyc.federation.visits import Bounds, Visits

TASK_HEARTBEAT_SECONDS = 15.0
BACKLOG = 1024


@dataclass(frozen=True)
class Link:
    """A running SuperLink: its state, the one run in it, and the clients' names by node."""

    state: Any
    run: Any
    names: Mapping[int, str]
    address: str

    def present(self) -> dict[int, str]:
        """The terminals that are connected now, by node, in the order of their names."""
        online = set(self.state.get_nodes(self.run.run_id))
        return {node: name for node, name in self.names.items() if node in online}


@contextmanager
def superlink(address: str, keys: ServerKeys, bounds: Bounds | None = None) -> Iterator[Link]:
    """Serve terminals at `address` (HOST:PORT, port 0 for any) until the block ends.

    Nothing is imported while it serves: what else runs in this process may look through all modules meanwhile, and a
    user's file may stand first in the path.

    Raises:
        UserError: `address` is none, or the server's certificate is not one that TLS takes.
        MachineError: Flower is not installed, the port cannot be had, or nothing listens at it in time.
    """
    settle()
    from flwr.superlink.main import create_app

    tls = certificates.tls(keys)
    with bound(address) as listener:
        app = create_app()
        app.state.enable_supernode_auth = True
        state = app.state.linkstate_factory.state()
        names = registered(state, keys.clients)
        visits = Visits(bounds or Bounds(), time.monotonic)
        clients = {public: name for name, public in keys.clients.items()}
        house = doorway.spoken(door.door(app, visits, clients), visits, tls)
        host, port = listener.getsockname()[:2]
        with running(state) as run, doorway.open_to(listener, house):
            yield Link(state, run, names, f"{host}:{port}")


def bound(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UserError(f"--address {address}", "is no HOST:PORT", "for example 0.0.0.0:9092")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else str(error)
        raise MachineError(f"--address {address}", f"cannot be listened to: {reason}", "choose another port") from error


def registered(state: Any, clients: Mapping[str, bytes]) -> dict[int, str]:
    """Tell the SuperLink the public keys that it listens to; give the clients' names by node."""
    from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID

    return {
        state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, public, 0, name=name): name
        for name, public in clients.items()
    }


@contextmanager
def running(state: Any) -> Iterator[Any]:
    """Begin a run that belongs to this process: no app is in it, since the rounds run here."""
    from flwr.common.constant import NOOP_FLWR_AID, SubStatus
    from flwr.supercore.constant import NOOP_FEDERATION_ID, TaskType

    number = state.create_run(None, None, None, {}, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID, TaskType.SERVER_APP)
    task = state.get_run_info(run_ids=[number])[0].primary_task_id
    state.claim_task(task)
    state.activate_task(task)
    ended = threading.Event()
    beating = threading.Thread(target=beat, args=(state, task, ended), name="superlink-run", daemon=True)
    beating.start()
    try:
        yield state.get_run_info(run_ids=[number])[0]
    finally:
        ended.set()
        state.finish_task(task, SubStatus.COMPLETED, "")


def beat(state: Any, task: int, ended: threading.Event) -> None:
    """Keep the SuperLink from taking this process for dead."""
    while not ended.wait(TASK_HEARTBEAT_SECONDS):
        state.acknowledge_task_heartbeat(task)
