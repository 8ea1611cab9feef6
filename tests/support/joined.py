"""A terminal in this process: real keys, real TLS, and an answer of the test's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tinyc.federation import certificates, deployment, terminal_link
from tinyc.federation.deployment_link import Link

NOWHERE = "127.0.0.1:0"


class Terminal(threading.Thread):
    """A terminal that answers every message by `answer`, until it is told to go."""

    def __init__(self, link: Link, keys: Path, answer: Callable[[Any], Any]) -> None:
        super().__init__(daemon=True)
        self.link, self.keys, self.answer, self.gone = link, certificates.read_client(keys), answer, threading.Event()

    def run(self) -> None:
        with (
            suppress(terminal_link.Lost),
            terminal_link.connected(self.link.address, self.keys, 0, lambda text: None) as wire,
        ):
            while not self.gone.is_set():
                message = wire.receive()
                if message is None:
                    time.sleep(0.05)
                    continue
                if message.metadata.message_type == deployment.DONE:
                    return
                reply = self.answer(message)
                if reply is not None:
                    wire.reply(reply, 0.0)


def signed(keys: Path) -> dict[str, str]:
    """The fields by which a request says whose it is."""
    from base64 import b64encode

    from flwr.common.constant import TIMESTAMP_HEADER
    from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
    from flwr.supercore.date import now
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message

    private, time = certificates.read_client(keys).private, now().isoformat()
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


def doubled(message: Any) -> Any:
    from flwr.app import Array, ArrayRecord, Message, RecordDict

    arrays = {name: Array(array.numpy() * 2) for name, array in message.content["arrays"].items()}
    return Message(RecordDict({"arrays": ArrayRecord(arrays)}), reply_to=message)


def weights(nodes: list[int], size: int = 10) -> list[Any]:
    from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

    record = ArrayRecord({"w": Array(np.arange(size, dtype=np.float32))})
    content = RecordDict({"arrays": record, "config": ConfigRecord({"server-round": 1, "job": b"x" * 1000})})
    return [Message(content, node, "train") for node in nodes]
