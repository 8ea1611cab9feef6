"""The filter in front of Flower's SuperLink: registered terminals pass, before a byte of their bodies is read.

A request's head says whose it is: public key, time, and the signature of that time. All of it is checked here, so that
strangers cost no memory; Flower checks it again, and that the node a request speaks for is the key's own.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from starlette.responses import Response

from tinyc.core import limits
from tinyc.federation.flower import signatures
from tinyc.federation.terminals.connection_limits import Connection, Connections

# What a terminal asks for. Registering, and fetching an app to execute, are not among it.
PATHS = frozenset(
    f"/v1/fleet/{name}"
    for name in (
        "activate-node", "deactivate-node", "send-node-heartbeat", "pull-messages", "push-messages", "push-object",
        "pull-object", "confirm-message-received",
    )
)  # fmt: skip
CONNECTION = "tinyc-connection"
Scope = dict[str, Any]
Channel = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class RequestFilter:
    """The ASGI application that requests come to, in front of `app`; `names` are those of terminals by public key."""

    app: Any
    connections: Connections
    names: Mapping[bytes, str]

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        """Answer a request that is refused, and hand on one that is not."""
        connection: Connection = scope["state"][CONNECTION]
        status = self.status(scope, connection)
        if status is not None:
            self.connections.refused(connection)
            headers = {"date": formatdate(usegmt=True), "connection": "close"}
            await Response(status_code=status, headers=headers)(scope, receive, send)
            return

        async def read() -> Any:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                self.connections.read(connection)
            return message

        async def write(message: Any) -> None:
            if message["type"] == "http.response.body":
                self.connections.written(connection, len(message.get("body", b"")), not message.get("more_body"))
            await send(message)

        await self.app(scope, read, write)

    def status(self, scope: Scope, connection: Connection) -> int | None:
        """Give the HTTP status to refuse a request with, None to let it in."""
        fields = scope["headers"]
        if (
            len(fields) > limits.HEAD_FIELDS
            or sum(len(name) + len(value) for name, value in fields) > limits.HEAD_BYTES
        ):
            return 431
        if scope["method"] != "POST" or scope["path"] not in PATHS:
            return 404
        return self.status_of({name.lower(): value for name, value in fields}, connection)

    def status_of(self, headers: Mapping[bytes, bytes], connection: Connection) -> int | None:
        """Do so for a request of a kind that terminals make, by its fields."""
        try:
            key = b64decode(headers.get(signatures.KEY, b""), validate=True)
            signature = b64decode(headers.get(signatures.SIGNATURE, b""), validate=True)
            size = int(headers.get(b"content-length", b"-1"))
        except ValueError:
            return 400
        if key not in self.names:
            return 403
        if not signatures.valid(key, headers.get(signatures.TIME, b""), signature):
            return 401
        if not 0 <= size <= limits.REQUEST_BYTES or b"transfer-encoding" in headers:
            return 413
        return None if self.connections.signed(connection, self.names[key], size) else 429
