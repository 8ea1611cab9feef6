"""Who is connected to a federation's server, for how long yet, and who has to go when another comes.

A connection is a stranger's until one of its requests has a registered terminal's signature. Strangers are few, and
each has a deadline at every stage; so whatever they do, they hold a bounded number of connections for a bounded time.

| stage | begins when | ends after |
|---|---|---|
| handshake | the connection is accepted | `handshake_seconds` |
| head | TLS stands, or the first byte of another request is there | `head_seconds`, however many bytes come |
| body | the head's signature is checked | `stalled_seconds` without a byte, or below `least_rate` bytes a second |
| work | the body is read | the server has begun to answer |
| answer | the first bytes of the answer are written | `stalled_seconds`, and the time that they take at `least_rate` |
| idle | the answer is written | `idle_seconds`, and the time that the answer takes at `least_rate` |
| leaving | a request was refused | `leaving_seconds` |
"""

from __future__ import annotations

import ipaddress
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tinyc.core import limits

Stage = Literal["handshake", "head", "body", "work", "answer", "idle", "leaving"]


@dataclass(frozen=True)
class ConnectionLimits:
    """How many connections there may be, and how long and how large each stage of one; see `limits`."""

    strangers: int = limits.STRANGERS
    strangers_of_an_address: int = limits.STRANGERS_OF_AN_ADDRESS
    terminal_connections: int = limits.TERMINAL_CONNECTIONS
    handshake_seconds: float = limits.HANDSHAKE_SECONDS
    head_seconds: float = limits.HEAD_SECONDS
    stalled_seconds: float = limits.STALLED_SECONDS
    idle_seconds: float = limits.IDLE_SECONDS
    leaving_seconds: float = limits.LEAVING_SECONDS
    least_rate: float = limits.LEAST_RATE
    terminal_bytes: int = limits.TERMINAL_BYTES


@dataclass(eq=False)
class Connection:
    """One connection.

    Attributes:
        origin: the address that it comes from, as strangers are counted by it.
        dismiss: ends the connection at once.
        ends: when it is dismissed, by the clock of `Connections`.
        terminal: the name of the terminal that has signed a request on it; None is a stranger.
        body_bytes: the body that is under way.
        begun: when its stage began.
        moved: bytes of the body or of the answer so far.
    """

    origin: str
    dismiss: Callable[[], None]
    ends: float
    stage: Stage = "handshake"
    terminal: str | None = None
    body_bytes: int = 0
    begun: float = 0.0
    moved: int = 0


@dataclass
class Connections:
    """All connections, the oldest first; belongs to one event loop, so nothing here is locked."""

    limits: ConnectionLimits
    clock: Callable[[], float]
    all: dict[Connection, None] = field(default_factory=dict)

    def of(self, terminal: str | None) -> list[Connection]:
        """List the connections of a terminal, or those of strangers, the oldest first."""
        return [connection for connection in self.all if connection.terminal == terminal]

    def enter(self, origin: str, dismiss: Callable[[], None]) -> Connection:
        """Register a stranger; where there is no place, the oldest of the origin that holds the most is dismissed."""
        while full := self.full(origin):
            self.dismissed(next(stranger for stranger in self.of(None) if stranger.origin == full))
        connection = Connection(origin, dismiss, self.clock() + self.limits.handshake_seconds)
        self.all[connection] = None
        return connection

    def full(self, origin: str) -> str | None:
        """Name the origin of which one is dismissed before another of `origin` comes; None where there is a place."""
        counts = Counter(stranger.origin for stranger in self.of(None))
        if counts[origin] >= self.limits.strangers_of_an_address:
            return origin
        return counts.most_common(1)[0][0] if counts.total() >= self.limits.strangers else None

    def dismissed(self, connection: Connection) -> None:
        """End a connection and forget it."""
        self.leave(connection)
        connection.dismiss()

    def make_room(self) -> None:
        """Dismiss the oldest stranger: the machine has no place for more connections."""
        for stranger in self.of(None)[:1]:
            self.dismissed(stranger)

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self.all.pop(connection, None)

    def secured(self, connection: Connection) -> None:
        """Note that TLS stands."""
        self.begin(connection, "head", self.limits.head_seconds)

    def received(self, connection: Connection, count: int) -> bool:
        """Note bytes that came; False where nobody reads them any more."""
        now, most = self.clock(), self.limits
        if connection.stage == "idle":
            self.begin(connection, "head", most.head_seconds)
        elif connection.stage == "body":
            connection.moved += count
            at_least = connection.begun + most.stalled_seconds + connection.moved / most.least_rate
            connection.ends = min(at_least, now + most.stalled_seconds)
        return connection.stage != "leaving"

    def signed(self, connection: Connection, terminal: str, body_bytes: int) -> bool:
        """Note a request that a terminal has signed; False where it has too much under way."""
        if connection.terminal != terminal:
            self.leave(connection)
            while len(own := self.of(terminal)) >= self.limits.terminal_connections:
                self.dismissed(own[0])
            connection.terminal = terminal
            self.all[connection] = None
        under_way = sum(each.body_bytes for each in self.of(terminal))
        if under_way + body_bytes > self.limits.terminal_bytes:
            return False
        self.begin(connection, "body", self.limits.stalled_seconds)
        connection.body_bytes = body_bytes
        return True

    def refused(self, connection: Connection) -> None:
        """Note that a request was refused: the connection is to end."""
        connection.body_bytes = 0
        self.begin(connection, "leaving", self.limits.leaving_seconds)

    def read(self, connection: Connection) -> None:
        """Note that a body is read: from here on it is the server that takes its time."""
        self.begin(connection, "work", math.inf)

    def written(self, connection: Connection, count: int, ended: bool) -> None:
        """Note bytes of an answer that were written, and whether they were the last."""
        moved = connection.moved + count
        rest = moved / self.limits.least_rate
        if ended:
            connection.body_bytes = 0
            self.begin(connection, "idle", self.limits.idle_seconds + rest)
        else:
            self.begin(connection, "answer", self.limits.stalled_seconds + rest)
            connection.moved = moved

    def begin(self, connection: Connection, stage: Stage, seconds: float) -> None:
        """Begin a stage."""
        connection.stage, connection.begun, connection.moved = stage, self.clock(), 0
        connection.ends = connection.begun + seconds

    def sweep(self, late_seconds: float = 0.0) -> None:
        """Dismiss those whose time is over; what the server itself could not listen counts for nobody."""
        now = self.clock()
        for connection in list(self.all):
            connection.ends += late_seconds
            if connection.ends < now:
                self.dismissed(connection)


def origin(address: str) -> str:
    """Name what strangers are counted by: an IPv4 address, or the /64 of an IPv6 address, which one party has whole."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
