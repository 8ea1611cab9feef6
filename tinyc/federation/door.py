"""The door to Flower's SuperLink: lets registered terminals' requests in, before a byte of their bodies is read.

A request's head says whose it is: public key, time, and the signature of that time. All of it is checked here, so that
strangers cost no memory; Flower checks it again, and that the node a request speaks for is the key's own.
"""

from __future__ import annotations

import binascii
import datetime
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from tinyc.core import limits
from tinyc.federation.visits import Visit, Visits

# What a terminal asks for. Registering, and fetching an app to execute, are not among it.
DOORS = frozenset(
    f"/v1/fleet/{deed}"
    for deed in (
        "activate-node", "deactivate-node", "send-node-heartbeat", "pull-messages", "push-messages", "push-object",
        "pull-object", "confirm-message-received",
    )
)  # fmt: skip
VISIT = "tinyc-visit"
Scope = dict[str, Any]
Channel = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Headers:
    """The fields by which a request says who it is, in lower case."""

    key: bytes
    time: bytes
    signature: bytes


@dataclass(frozen=True)
class Door:
    """The application that requests come to, in front of `app`.

    Attributes:
        names: the registered terminals, by public key (PEM).
        headers: where a request says who it is.
        valid: says whether a signature of a public key over a time holds, and the time is now.
    """

    app: Any
    visits: Visits
    names: Mapping[bytes, str]
    headers: Headers
    valid: Callable[[bytes, bytes, bytes], bool]

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        visit: Visit = scope["state"][VISIT]
        status = self.status(scope, visit)
        if status is not None:
            self.visits.refused(visit)
            date = formatdate(usegmt=True).encode()
            headers = [(b"date", date), (b"content-length", b"0"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return

        async def read() -> Any:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                self.visits.read(visit)
            return message

        async def write(message: Any) -> None:
            if message["type"] == "http.response.body":
                self.visits.written(visit, len(message.get("body", b"")), not message.get("more_body"))
            await send(message)

        await self.app(scope, read, write)

    def status(self, scope: Scope, visit: Visit) -> int | None:
        """The HTTP status to refuse a request with, None to let it in."""
        fields = scope["headers"]
        if (
            len(fields) > limits.HEAD_FIELDS
            or sum(len(name) + len(value) for name, value in fields) > limits.HEAD_BYTES
        ):
            return 431
        if scope["method"] != "POST" or scope["path"] not in DOORS:
            return 404
        return self.status_of({name.lower(): value for name, value in fields}, visit)

    def status_of(self, headers: Mapping[bytes, bytes], visit: Visit) -> int | None:
        """The same for a request of a kind that terminals make, by its fields."""
        try:
            key = b64decode(headers.get(self.headers.key, b""), validate=True)
            signature = b64decode(headers.get(self.headers.signature, b""), validate=True)
            size = int(headers.get(b"content-length", b"-1"))
        except ValueError:
            return 400
        if key not in self.names:
            return 403
        if not self.valid(key, headers.get(self.headers.time, b""), signature):
            return 401
        if not 0 <= size <= limits.REQUEST_BYTES or b"transfer-encoding" in headers:
            return 413
        return None if self.visits.signed(visit, self.names[key], size) else 429


def door(app: Any, visits: Visits, names: Mapping[bytes, str]) -> Door:
    """Make the door to Flower's app, by the headers and the window of time that Flower itself uses."""
    from flwr.common.constant import TIMESTAMP_HEADER
    from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER

    names_of = (FLEET_HTTP_PUBLIC_KEY_HEADER, TIMESTAMP_HEADER, FLEET_HTTP_SIGNATURE_HEADER)
    return Door(app, visits, names, Headers(*(name.lower().encode() for name in names_of)), valid)


def valid(key: bytes, time: bytes, signature: bytes) -> bool:
    """Say whether a terminal signed this time, and whether it is now, as Flower judges it."""
    from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_TOLERANCE
    from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature

    try:
        signed_at = datetime.datetime.fromisoformat(time.decode("ascii"))
        age = (datetime.datetime.now(datetime.UTC) - signed_at).total_seconds()
        if not -SYSTEM_TIME_TOLERANCE < age < TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE:
            return False
        return bool(verify_signature(bytes_to_public_key(key), time, signature))
    except (ValueError, TypeError, OverflowError, UnicodeError, binascii.Error):
        return False
