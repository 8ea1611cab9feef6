"""Flower's SuperLink inside the server's own process, with a door that lets registered terminals in and nothing else.

Flower's command serves three interfaces on one port: the fleet's (terminals), the control's (whoever starts runs and
registers keys) and the runtime's (whoever executes an app). Only the first asks who is there. Here the SuperLink lives
beside the rounds, which reach it without a port, so the door opens the fleet's alone.
"""

from __future__ import annotations

import socket
import threading
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tinyc.errors import MachineError, UserError
from tinyc.federation.certificates import ServerKeys
from tinyc.federation.flower import settle

# What a terminal asks for. Registering, and fetching an app to execute, are not among it.
DOORS = frozenset(
    f"/v1/fleet/{deed}"
    for deed in (
        "activate-node", "deactivate-node", "send-node-heartbeat", "pull-messages", "push-messages", "push-object",
        "pull-object", "confirm-message-received",
    )
)  # fmt: skip
# Flower cuts arrays into pieces of at most 20 MiB.
LARGEST_REQUEST_BYTES = 32 << 20
TASK_HEARTBEAT_SECONDS = 15.0
Scope = dict[str, Any]
Channel = Callable[..., Awaitable[Any]]


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
def superlink(address: str, keys: ServerKeys) -> Iterator[Link]:
    """Serve terminals at `address` (HOST:PORT, port 0 for any) until the block ends.

    Raises:
        UserError: `address` is none.
        MachineError: Flower is not installed, or the port cannot be had.
    """
    settle()
    import uvicorn
    from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER
    from flwr.superlink.main import create_app

    listener = bound(address)
    app = create_app()
    app.state.enable_supernode_auth = True
    state = app.state.linkstate_factory.state()
    names = registered(state, keys.clients)
    door = Door(app, FLEET_HTTP_PUBLIC_KEY_HEADER.encode(), frozenset(keys.clients.values()))
    server = uvicorn.Server(
        uvicorn.Config(
            door, log_config=None, log_level="critical", access_log=False, server_header=False, ws="none",
            ssl_certfile=str(keys.certificate), ssl_keyfile=str(keys.key), timeout_graceful_shutdown=3,
        )
    )  # fmt: skip
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="superlink", daemon=True)
    host, port = listener.getsockname()[:2]
    with running(state) as run:
        thread.start()
        try:
            yield Link(state, run, names, f"{host}:{port}")
        finally:
            server.should_exit = True
            thread.join(timeout=10)
            listener.close()


def bound(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UserError(f"--address {address}", "is no HOST:PORT", "for example 0.0.0.0:9092")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
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


@dataclass(frozen=True)
class Door:
    """Turn away what is not a registered terminal's request, before Flower reads a byte of its body."""

    app: Any
    header: bytes
    keys: frozenset[bytes]

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        status = self.status(scope) if scope["type"] == "http" else None
        if status is None:
            await self.app(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    def status(self, scope: Scope) -> int | None:
        """The HTTP status to refuse a request with, None to let it in; Flower then checks the signature."""
        headers = {key.lower(): value for key, value in scope["headers"]}
        if scope["method"] != "POST" or scope["path"] not in DOORS:
            return 404
        try:
            key = b64decode(headers.get(self.header, b""), validate=True)
            size = int(headers.get(b"content-length", b"-1"))
        except ValueError:
            return 400
        if key not in self.keys:
            return 403
        return None if 0 <= size <= LARGEST_REQUEST_BYTES else 413
