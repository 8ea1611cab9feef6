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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from tinyc.core import limits

Stage = Literal["handshake", "head", "body", "work", "answer", "idle", "leaving"]


@dataclass(frozen=True)
class Bounds:
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
class Visit:
    """One connection.

    Attributes:
        origin: the address that it comes from, as strangers are counted by it.
        dismiss: ends the connection at once.
        ends: when it is dismissed, by the clock of `Visits`.
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
class Visits:
    """All connections; belongs to one event loop, so nothing here is locked."""

    bounds: Bounds
    clock: Callable[[], float]
    strangers: dict[Visit, None] = field(default_factory=dict)
    terminals: dict[str, dict[Visit, None]] = field(default_factory=dict)

    def all(self) -> list[Visit]:
        return [*self.strangers, *(visit for own in self.terminals.values() for visit in own)]

    def enter(self, origin: str, dismiss: Callable[[], None]) -> Visit:
        """Take in a stranger; where there is no place, the oldest of the origin that holds the most has to go."""
        while crowded := self.crowded(origin):
            self.dismissed(oldest(visit for visit in self.strangers if visit.origin == crowded))
        visit = Visit(origin, dismiss, self.clock() + self.bounds.handshake_seconds)
        self.strangers[visit] = None
        return visit

    def crowded(self, origin: str) -> str | None:
        """The origin of which one has to go before another of `origin` can come; None where there is a place."""
        counts = Counter(visit.origin for visit in self.strangers)
        if counts[origin] >= self.bounds.strangers_of_an_address:
            return origin
        return counts.most_common(1)[0][0] if len(self.strangers) >= self.bounds.strangers else None

    def dismissed(self, visit: Visit) -> None:
        self.leave(visit)
        visit.dismiss()

    def make_room(self) -> None:
        """Dismiss the oldest stranger: the machine has no place for more connections."""
        if self.strangers:
            self.dismissed(oldest(self.strangers))

    def leave(self, visit: Visit) -> None:
        """Forget a connection that has ended."""
        self.strangers.pop(visit, None)
        own = self.terminals.get(visit.terminal or "", {})
        own.pop(visit, None)
        if visit.terminal and not own:
            self.terminals.pop(visit.terminal, None)

    def greeted(self, visit: Visit) -> None:
        """Note that TLS stands."""
        self.stand(visit, "head", self.bounds.head_seconds)

    def received(self, visit: Visit, count: int) -> bool:
        """Note bytes that came; False where nobody reads them any more."""
        now, bounds = self.clock(), self.bounds
        if visit.stage == "idle":
            self.stand(visit, "head", bounds.head_seconds)
        elif visit.stage == "body":
            visit.moved += count
            at_least = visit.begun + bounds.stalled_seconds + visit.moved / bounds.least_rate
            visit.ends = min(at_least, now + bounds.stalled_seconds)
        return visit.stage != "leaving"

    def signed(self, visit: Visit, terminal: str, body_bytes: int) -> bool:
        """Note a request that a terminal has signed; False where it has too much under way."""
        if visit.terminal != terminal:
            self.leave(visit)
            own = self.terminals.get(terminal, {})
            while len(own) >= self.bounds.terminal_connections:
                self.dismissed(oldest(own))
            visit.terminal = terminal
            self.terminals.setdefault(terminal, {})[visit] = None
        under_way = sum(each.body_bytes for each in self.terminals[terminal])
        if under_way + body_bytes > self.bounds.terminal_bytes:
            return False
        self.stand(visit, "body", self.bounds.stalled_seconds)
        visit.body_bytes = body_bytes
        return True

    def refused(self, visit: Visit) -> None:
        """Note that a request was refused: the connection is to end."""
        visit.body_bytes = 0
        self.stand(visit, "leaving", self.bounds.leaving_seconds)

    def read(self, visit: Visit) -> None:
        """Note that a body is read: from here on it is the server that takes its time."""
        self.stand(visit, "work", math.inf)

    def written(self, visit: Visit, count: int, ended: bool) -> None:
        """Note bytes of an answer that were written, and whether they were the last."""
        moved = visit.moved + count
        rest = moved / self.bounds.least_rate
        if ended:
            visit.body_bytes = 0
            self.stand(visit, "idle", self.bounds.idle_seconds + rest)
        else:
            self.stand(visit, "answer", self.bounds.stalled_seconds + rest)
            visit.moved = moved

    def stand(self, visit: Visit, stage: Stage, seconds: float) -> None:
        """Begin a stage."""
        visit.stage, visit.begun, visit.moved = stage, self.clock(), 0
        visit.ends = visit.begun + seconds

    def sweep(self, late_seconds: float = 0.0) -> None:
        """Dismiss those whose time is over; what the server itself could not listen counts for nobody."""
        now = self.clock()
        for visit in self.all():
            visit.ends += late_seconds
            if visit.ends < now:
                self.dismissed(visit)


def oldest(visits: Iterable[Visit]) -> Visit:
    """The one that came first: they are kept in that order."""
    return next(iter(visits))


def origin(address: str) -> str:
    """What strangers are counted by: an IPv4 address, or the /64 of an IPv6 address, which one party has whole."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
