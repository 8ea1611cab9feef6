"""Who may stay connected, by a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

import tinyc
from tinyc.core import limits
from tinyc.federation.terminals.connection_limits import Connection, ConnectionLimits, Connections, origin

LIMITS = ConnectionLimits(
    strangers=6, strangers_of_an_address=3, terminal_connections=2, handshake_seconds=10, head_seconds=5,
    stalled_seconds=30, idle_seconds=60, leaving_seconds=2, least_rate=100, terminal_bytes=1000,
)  # fmt: skip


@dataclass
class Port:
    """Connections, the time, and who was dismissed."""

    now: float = 100.0
    gone: list[str] = field(default_factory=list)
    connections: Connections = field(init=False)

    def __post_init__(self) -> None:
        self.connections = Connections(LIMITS, lambda: self.now)

    def enter(self, name: str, origin: str = "") -> Connection:
        return self.connections.enter(origin or name, lambda: self.gone.append(name))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.connections.sweep()


def test_a_newcomer_takes_the_place_of_the_oldest_of_its_address() -> None:
    port = Port()
    for name in ("a", "b", "c", "d", "e"):
        port.enter(name, "10.0.0.1")
    port.enter("other")
    assert port.gone == ["a", "b"]
    assert len(port.connections.of(None)) == 4


def test_where_all_is_full_the_address_that_holds_most_gives_way() -> None:
    port = Port()
    port.enter("early")
    for name in ("a", "b", "c"):
        port.enter(name, "10.0.0.1")
    for name in ("d", "e", "late", "later"):
        port.enter(name)
    assert port.gone == ["a", "b"]


def test_terminals_are_not_counted_among_strangers() -> None:
    port = Port()
    for name in ("first", "second"):
        assert port.connections.signed(port.enter(name, "10.0.0.1"), "client-1", 0)
    for number in range(20):
        port.enter(f"stranger {number}", "10.0.0.1")
    assert not {"first", "second"} & set(port.gone)
    assert len(port.connections.all) == 3 + 2
    port.connections.signed(port.enter("third"), "client-1", 0)
    assert port.gone[-1] == "first"


@pytest.mark.parametrize(("stage", "seconds"), [("handshake", 10), ("head", 5), ("refused", 2), ("idle", 60)])
def test_each_stage_ends(stage: str, seconds: float) -> None:
    port = Port()
    connection = port.enter("guest")
    if stage != "handshake":
        port.connections.secured(connection)
    if stage == "refused":
        port.connections.refused(connection)
    if stage == "idle":
        port.connections.signed(connection, "client-1", 10)
        port.connections.read(connection)
        port.wait(10_000)
        port.connections.written(connection, 0, ended=True)
    port.wait(seconds - 0.1)
    assert not port.gone
    port.wait(0.2)
    assert port.gone == ["guest"]
    assert not port.connections.all


def test_bytes_do_not_prolong_a_head_nor_a_refusal() -> None:
    port = Port()
    slow, refused = port.enter("slow"), port.enter("refused")
    port.connections.secured(slow)
    port.connections.refused(refused)
    assert not port.connections.received(refused, 100)
    for _ in range(60):
        port.connections.received(slow, 1)
        port.wait(0.1)
    assert port.gone == ["refused", "slow"]


def test_a_body_must_not_stall_and_must_keep_the_least_rate() -> None:
    port = Port()
    for name in ("steady", "slow", "stalls"):
        connection = port.enter(name)
        port.connections.signed(connection, name, 1000)
    steady, slow, stalls = port.connections.all
    port.connections.received(stalls, 10**6)
    for _ in range(100):
        port.connections.received(steady, 101)
        port.connections.received(slow, 1)
        port.wait(1)
    assert set(port.gone) == {"slow", "stalls"}


def test_a_request_after_a_pause_has_a_head_of_its_own() -> None:
    port = Port()
    connection = port.enter("guest")
    port.connections.signed(connection, "client-1", 0)
    port.connections.written(connection, 0, ended=True)
    port.wait(50)
    port.connections.received(connection, 1)
    port.wait(5.1)
    assert port.gone == ["guest"]


def test_a_long_answer_has_the_time_that_it_takes_to_read() -> None:
    port = Port()
    connection = port.enter("guest")
    port.connections.signed(connection, "client-1", 0)
    port.connections.written(connection, 50_000, ended=False)
    port.connections.written(connection, 50_000, ended=True)
    port.wait(1000 + 60 - 1)
    assert not port.gone
    port.wait(2)
    assert port.gone


def test_the_bodies_of_one_terminal_are_bounded_together() -> None:
    port = Port()
    first, second = port.enter("first"), port.enter("second")
    assert port.connections.signed(first, "client-1", 600)
    assert not port.connections.signed(second, "client-1", 600)
    assert port.connections.signed(port.enter("other"), "client-2", 600)
    port.connections.read(first)
    assert not port.connections.signed(second, "client-1", 600)
    port.connections.written(first, 0, ended=True)
    assert port.connections.signed(second, "client-1", 600)


def test_a_server_that_did_not_listen_blames_nobody() -> None:
    port = Port()
    port.enter("guest")
    port.now += 30
    port.connections.sweep(late_seconds=29.8)
    assert not port.gone


def test_without_room_on_the_machine_the_oldest_stranger_goes() -> None:
    port = Port()
    port.connections.make_room()
    port.enter("a")
    port.enter("b")
    port.connections.make_room()
    assert port.gone == ["a"]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_is_counted_by_who_has_it(address: str, counted: str) -> None:
    assert origin(address) == counted


def test_the_page_about_terminals_has_the_limits() -> None:
    page = (Path(tinyc.__file__).parents[1] / "docs" / "terminals.md").read_text()
    table = page[page.index("| limit | value |") :].split("\n\n")[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in table]
    values = [value for _, value in rows[2:]]
    assert values == [
        f"{limits.STRANGERS}; {limits.STRANGERS_OF_AN_ADDRESS}",
        f"{limits.TERMINAL_CONNECTIONS}",
        f"{limits.HANDSHAKE_SECONDS:g}; {limits.HEAD_SECONDS:g}",
        f"{limits.STALLED_SECONDS:g}; {limits.LEAST_RATE:,}",
        f"{limits.IDLE_SECONDS:g}",
        f"{limits.HEAD_BYTES >> 10} KiB; {limits.HEAD_FIELDS}",
        f"{limits.REQUEST_BYTES >> 20} MiB; {limits.TERMINAL_BYTES >> 20} MiB",
    ]
