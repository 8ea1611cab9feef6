"""The server's port: connections are accepted, counted and timed, speak TLS, and then HTTP to the request filter.

uvicorn speaks HTTP. By itself it accepts without end and waits without end, for a handshake as well; so the listening
socket, TLS and the deadlines are here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from anyio.from_thread import start_blocking_portal
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from tinyc.core import limits
from tinyc.core.errors import MachineError, UserError
from tinyc.federation.terminals.connection_limits import Connection, Connections, origin
from tinyc.federation.terminals.request_filter import CONNECTION, RequestFilter

SWEEP_SECONDS = 0.2
LATE_SECONDS = 1.0
"""A sweep that comes later than this finds a server that did not listen, not clients that did not speak."""
ENDING_SECONDS = 3.0
CROWDED_SECONDS = 0.1
BACKLOG = 1024


@dataclass(frozen=True)
class Shared:
    """What all connections share: uvicorn's configuration and state, TLS, and who is there."""

    config: Any
    state: Any
    tls: ssl.SSLContext
    connections: Connections
    protocols: set[Protocol] = field(default_factory=set)


class Protocol(H11Protocol):
    """uvicorn's protocol for one connection, which keeps its place among all connections."""

    def __init__(self, shared: Shared, accepted: socket.socket, address: str) -> None:
        self.shared, self.accepted = shared, accepted
        self.connection: Connection = shared.connections.enter(origin(address), self.dismiss)
        super().__init__(shared.config, shared.state, {CONNECTION: self.connection})
        shared.protocols.add(self)
        self.task = asyncio.get_running_loop().create_task(self.shake_hands())
        self.task.add_done_callback(self.handshake_done)

    async def shake_hands(self) -> None:
        """Do the handshake of TLS."""
        most = self.shared.connections.limits
        with suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self, self.accepted, ssl=self.shared.tls,
                ssl_handshake_timeout=most.handshake_seconds, ssl_shutdown_timeout=most.leaving_seconds,
            )  # fmt: skip

    def handshake_done(self, task: Any) -> None:
        """Forget a connection on which TLS does not stand."""
        if self.transport is None:
            self.gone()
            self.accepted.close()

    def dismiss(self) -> None:
        """End the connection, whatever it does."""
        if self.transport is None:
            self.task.cancel()
        else:
            self.transport.abort()

    def gone(self) -> None:
        """Forget this connection."""
        self.shared.connections.leave(self.connection)
        self.shared.protocols.discard(self)

    def connection_made(self, transport: Any) -> None:
        """Begin to read: TLS stands."""
        self.shared.connections.secured(self.connection)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read bytes, unless the connection is to end."""
        if self.shared.connections.received(self.connection, len(data)):
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.gone()
        super().connection_lost(exc)


def shared(app: RequestFilter, tls: ssl.SSLContext) -> Shared:
    """Prepare uvicorn to speak HTTP for an application; all that it imports is imported here."""
    # h11 bounds the head of a request, which uvicorn's other protocol does not; when to hang up is decided here.
    config = uvicorn.Config(
        app, http=H11Protocol, ws="none", lifespan="off", log_config=None, log_level="critical", access_log=False,
        proxy_headers=False, timeout_keep_alive=10**6, h11_max_incomplete_event_size=limits.HEAD_BYTES,
    )  # fmt: skip
    config.load()
    return Shared(config, ServerState(), tls, app.connections)


def bound(address: str) -> socket.socket:
    """Take a port.

    Raises:
        UserError: `address` is no HOST:PORT.
        MachineError: the port cannot be had.
    """
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


@contextmanager
def listening(listener: socket.socket, shared: Shared) -> Iterator[None]:
    """Let connections in, in a thread of their own, while the block runs."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # what a connection dies of is nobody's to read
    with (
        start_blocking_portal(name="superlink") as portal,
        portal.wrap_async_context_manager(receiving(listener, shared)),
    ):
        yield


@asynccontextmanager
async def receiving(listener: socket.socket, shared: Shared) -> AsyncIterator[None]:
    """Let connections in while the block runs, then let requests under way end."""
    tasks = [asyncio.create_task(accept(listener, shared)), asyncio.create_task(watch(shared.connections))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for each in list(shared.protocols):
            if each.transport is None:
                each.dismiss()
            else:
                each.shutdown()
        ends = time.monotonic() + ENDING_SECONDS
        while (shared.protocols or shared.state.tasks) and time.monotonic() < ends:
            await asyncio.sleep(0.02)
        for each in list(shared.protocols):
            each.dismiss()
        for task in list(shared.state.tasks):
            task.cancel()


async def accept(listener: socket.socket, shared: Shared) -> None:
    """Accept every connection, and leave the handshake to a task of its own."""
    listener.setblocking(False)
    while True:
        try:
            connection, address = await asyncio.get_running_loop().sock_accept(listener)
        except OSError:  # the newcomer has gone again, or this process has no file descriptor left
            shared.connections.make_room()
            await asyncio.sleep(CROWDED_SECONDS)
            continue
        Protocol(shared, connection, address[0])


async def watch(connections: Connections) -> None:
    """End those whose time is over."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(SWEEP_SECONDS)
        late = time.monotonic() - began - SWEEP_SECONDS
        connections.sweep(late if late > LATE_SECONDS else 0.0)
