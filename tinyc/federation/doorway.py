"""Where terminals come in: connections are accepted, counted and timed, speak TLS, and then HTTP to the door.

uvicorn speaks HTTP. By itself it accepts without end and waits without end, for a handshake as well; so the listening
socket, TLS and the deadlines are here, and each connection gets a protocol of uvicorn's.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tinyc.core import limits
from tinyc.core.errors import MachineError
from tinyc.federation.door import VISIT
from tinyc.federation.visits import Visit, Visits, origin

SWEEP_SECONDS = 0.2
LATE_SECONDS = 1.0
"""A sweep that comes later than this finds a server that did not listen, not visitors that did not speak."""
ENDING_SECONDS = 3.0
START_SECONDS = 60.0
CROWDED_SECONDS = 0.1


@dataclass(frozen=True)
class House:
    """What all connections share: uvicorn's configuration and state, TLS, and who is there."""

    config: Any
    state: Any
    tls: ssl.SSLContext
    visits: Visits
    guests: set[Guest] = field(default_factory=set)


class Guest(asyncio.Protocol):
    """One connection: hands on what comes to uvicorn's protocol, and tells the visits of it."""

    def __init__(self, house: House, connection: socket.socket, address: str) -> None:
        self.house, self.connection = house, connection
        self.transport: Any = None
        self.visit: Visit = house.visits.enter(origin(address), self.dismiss)
        self.inner: Any = house.config.http_protocol_class(
            config=house.config, server_state=house.state, app_state={VISIT: self.visit}
        )
        house.guests.add(self)
        self.task = asyncio.get_running_loop().create_task(self.greet())
        self.task.add_done_callback(self.greeted)

    async def greet(self) -> None:
        """Do the handshake."""
        seconds = self.house.visits.bounds.handshake_seconds
        with suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self, self.connection, ssl=self.house.tls,
                ssl_handshake_timeout=seconds, ssl_shutdown_timeout=self.house.visits.bounds.leaving_seconds,
            )  # fmt: skip

    def greeted(self, task: Any) -> None:
        if self.transport is None:
            self.gone()
            self.connection.close()

    def dismiss(self) -> None:
        """End the connection, whatever it does."""
        if self.transport is None:
            self.task.cancel()
        else:
            self.transport.abort()

    def gone(self) -> None:
        self.house.visits.leave(self.visit)
        self.house.guests.discard(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.house.visits.greeted(self.visit)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.house.visits.received(self.visit, len(data)):
            self.inner.data_received(data)

    def eof_received(self) -> None:
        self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone()
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()


def spoken(door: Any, visits: Visits, tls: ssl.SSLContext) -> House:
    """Prepare uvicorn to speak HTTP with a door's visitors; all that it imports is imported here."""
    import anyio._backends._asyncio  # noqa: F401  (else the first request imports it, in another thread)
    import uvicorn
    from uvicorn.server import ServerState

    # h11 bounds the head of a request, which uvicorn's other protocol does not; when to hang up is the visits' to say.
    config = uvicorn.Config(
        door, http="h11", ws="none", lifespan="off", log_config=None, log_level="critical", access_log=False,
        proxy_headers=False, timeout_keep_alive=10**6, h11_max_incomplete_event_size=limits.HEAD_BYTES,
    )  # fmt: skip
    config.load()
    return House(config, ServerState(), tls, visits)


@contextmanager
def open_to(listener: socket.socket, house: House) -> Iterator[None]:
    """Let connections in, in a thread of their own, while the block runs.

    Raises:
        MachineError: the thread did not start to listen.
    """
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # what a connection dies of is nobody's to read
    listening, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(receive(listener, house, listening.set, ended))
        finally:
            listening.set()

    thread = threading.Thread(target=run, name="superlink", daemon=True)
    thread.start()
    try:
        if not listening.wait(START_SECONDS) or not thread.is_alive():
            raise MachineError("federate", "the server did not start to listen", "run it again")
        yield
    finally:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)
        thread.join(timeout=10)
        listener.close()


async def receive(listener: socket.socket, house: House, listening: Callable[[], None], ended: asyncio.Event) -> None:
    """Let connections in until `ended`, then let requests under way end."""
    tasks = [asyncio.create_task(accept(listener, house)), asyncio.create_task(watch(house.visits))]
    listening()
    await ended.wait()
    for task in tasks:
        task.cancel()
    for guest in list(house.guests):
        if guest.transport is None:
            guest.dismiss()
        else:
            guest.inner.shutdown()
    ends = time.monotonic() + ENDING_SECONDS
    while (house.guests or house.state.tasks) and time.monotonic() < ends:
        await asyncio.sleep(0.02)
    for guest in list(house.guests):
        guest.dismiss()
    for task in list(house.state.tasks):
        task.cancel()


async def accept(listener: socket.socket, house: House) -> None:
    """Take in every connection, and leave the handshake to a task of its own."""
    listener.setblocking(False)
    while True:
        try:
            connection, address = await asyncio.get_running_loop().sock_accept(listener)
        except OSError:  # the newcomer has gone again, or this process has no file descriptor left
            house.visits.make_room()
            await asyncio.sleep(CROWDED_SECONDS)
            continue
        Guest(house, connection, address[0])


async def watch(visits: Visits) -> None:
    """Send those away whose time is over."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(SWEEP_SECONDS)
        late = time.monotonic() - began - SWEEP_SECONDS
        visits.sweep(late if late > LATE_SECONDS else 0.0)
