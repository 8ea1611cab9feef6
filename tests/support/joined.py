"""A terminal in this process: real keys, real TLS, and an answer of the test's own."""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from tinyc.federation import tensors
from tinyc.federation.flower.fleet import Lost, Received
from tinyc.federation.flower.messages import DONE, Content, Failure, content, weights_of
from tinyc.federation.flower.superlink import SuperLink
from tinyc.federation.terminals import connection, keys, serving
from tinyc.federation.terminals.connection_limits import ConnectionLimits

NOWHERE = "127.0.0.1:0"
Reply = Callable[[Received], Content | Failure | None]


class Link:
    """A server's transport to its terminals, and where they find it."""

    def __init__(self, transport: SuperLink, address: str) -> None:
        self.transport, self.address = transport, address
        self.present, self.ask, self.names = transport.present, transport.ask, transport.names


@contextmanager
def superlink(address: str, folder: Path, limits: ConnectionLimits | None = None) -> Iterator[Link]:
    with serving.connected(address, keys.read_server(folder), limits) as (transport, place):
        yield Link(transport, place)


class Terminal(threading.Thread):
    """A terminal that answers every message by `answer`, until it is told to go."""

    def __init__(self, link: Link, folder: Path, answer: Reply) -> None:
        super().__init__(daemon=True)
        self.link, self.keys, self.answer, self.gone = link, keys.read_client(folder), answer, threading.Event()

    def run(self) -> None:
        with (
            suppress(Lost),
            connection.connected(self.link.address, self.keys, 0, lambda text: None) as wire,
        ):
            while not self.gone.is_set():
                received = wire.receive()
                if received is None:
                    time.sleep(0.05)
                    continue
                if received.kind == DONE:
                    return
                reply = self.answer(received)
                if reply is not None:
                    wire.reply(received, reply, 0.0)


def signed(folder: Path) -> dict[str, str]:
    """The fields by which a request says whose it is."""
    from flwr.common.constant import TIMESTAMP_HEADER
    from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
    from flwr.supercore.date import now
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message

    private, time = keys.read_client(folder).private, now().isoformat()
    return {
        FLEET_HTTP_PUBLIC_KEY_HEADER: b64encode(public_key_to_bytes(private.public_key())).decode(),
        TIMESTAMP_HEADER: time,
        FLEET_HTTP_SIGNATURE_HEADER: b64encode(sign_message(private, time.encode())).decode(),
    }


def wait(what: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.05)


def doubled(received: Received) -> Content:
    arrays = tensors.unpacked(weights_of(received.content) or b"")
    return content(tensors.packed({name: array * 2 for name, array in arrays.items()}))


def weights(nodes: list[int], size: int = 10) -> dict[int, Content]:
    """A round's messages, by node."""
    block = tensors.packed({"w": np.arange(size, dtype=np.float32)})
    asked = content(block, {"server-round": 1, "job": b"x" * 1000})
    return dict.fromkeys(nodes, asked)
