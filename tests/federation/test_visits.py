"""Who may stay connected, by a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

import tinyc
from tinyc.core import limits
from tinyc.federation.visits import Bounds, Visit, Visits, origin

BOUNDS = Bounds(
    strangers=6, strangers_of_an_address=3, terminal_connections=2, handshake_seconds=10, head_seconds=5,
    stalled_seconds=30, idle_seconds=60, leaving_seconds=2, least_rate=100, terminal_bytes=1000,
)  # fmt: skip


@dataclass
class House:
    """Visits, the time, and who was dismissed."""

    now: float = 100.0
    gone: list[str] = field(default_factory=list)
    visits: Visits = field(init=False)

    def __post_init__(self) -> None:
        self.visits = Visits(BOUNDS, lambda: self.now)

    def enter(self, name: str, origin: str = "") -> Visit:
        return self.visits.enter(origin or name, lambda: self.gone.append(name))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.visits.sweep()


def test_a_newcomer_takes_the_place_of_the_oldest_of_its_address() -> None:
    house = House()
    for name in ("a", "b", "c", "d", "e"):
        house.enter(name, "10.0.0.1")
    house.enter("other")
    assert house.gone == ["a", "b"]
    assert len(house.visits.strangers) == 4


def test_where_all_is_full_the_address_that_holds_most_gives_way() -> None:
    house = House()
    house.enter("early")
    for name in ("a", "b", "c"):
        house.enter(name, "10.0.0.1")
    for name in ("d", "e", "late", "later"):
        house.enter(name)
    assert house.gone == ["a", "b"]


def test_terminals_are_not_counted_among_strangers() -> None:
    house = House()
    for name in ("first", "second"):
        assert house.visits.signed(house.enter(name, "10.0.0.1"), "client-1", 0)
    for number in range(20):
        house.enter(f"stranger {number}", "10.0.0.1")
    assert not {"first", "second"} & set(house.gone)
    assert len(house.visits.all()) == 3 + 2
    house.visits.signed(house.enter("third"), "client-1", 0)
    assert house.gone[-1] == "first"


@pytest.mark.parametrize(("stage", "seconds"), [("handshake", 10), ("head", 5), ("refused", 2), ("idle", 60)])
def test_each_stage_ends(stage: str, seconds: float) -> None:
    house = House()
    visit = house.enter("guest")
    if stage != "handshake":
        house.visits.greeted(visit)
    if stage == "refused":
        house.visits.refused(visit)
    if stage == "idle":
        house.visits.signed(visit, "client-1", 10)
        house.visits.read(visit)
        house.wait(10_000)
        house.visits.written(visit, 0, ended=True)
    house.wait(seconds - 0.1)
    assert not house.gone
    house.wait(0.2)
    assert house.gone == ["guest"]
    assert not house.visits.all()


def test_bytes_do_not_prolong_a_head_nor_a_refusal() -> None:
    house = House()
    slow, refused = house.enter("slow"), house.enter("refused")
    house.visits.greeted(slow)
    house.visits.refused(refused)
    assert not house.visits.received(refused, 100)
    for _ in range(60):
        house.visits.received(slow, 1)
        house.wait(0.1)
    assert house.gone == ["refused", "slow"]


def test_a_body_must_not_stall_and_must_keep_the_least_rate() -> None:
    house = House()
    for name in ("steady", "slow", "stalls"):
        visit = house.enter(name)
        house.visits.signed(visit, name, 1000)
    steady, slow, stalls = house.visits.all()
    house.visits.received(stalls, 10**6)
    for _ in range(100):
        house.visits.received(steady, 101)
        house.visits.received(slow, 1)
        house.wait(1)
    assert set(house.gone) == {"slow", "stalls"}


def test_a_request_after_a_pause_has_a_head_of_its_own() -> None:
    house = House()
    visit = house.enter("guest")
    house.visits.signed(visit, "client-1", 0)
    house.visits.written(visit, 0, ended=True)
    house.wait(50)
    house.visits.received(visit, 1)
    house.wait(5.1)
    assert house.gone == ["guest"]


def test_a_long_answer_has_the_time_that_it_takes_to_read() -> None:
    house = House()
    visit = house.enter("guest")
    house.visits.signed(visit, "client-1", 0)
    house.visits.written(visit, 50_000, ended=False)
    house.visits.written(visit, 50_000, ended=True)
    house.wait(1000 + 60 - 1)
    assert not house.gone
    house.wait(2)
    assert house.gone


def test_the_bodies_of_one_terminal_are_bounded_together() -> None:
    house = House()
    first, second = house.enter("first"), house.enter("second")
    assert house.visits.signed(first, "client-1", 600)
    assert not house.visits.signed(second, "client-1", 600)
    assert house.visits.signed(house.enter("other"), "client-2", 600)
    house.visits.read(first)
    assert not house.visits.signed(second, "client-1", 600)
    house.visits.written(first, 0, ended=True)
    assert house.visits.signed(second, "client-1", 600)


def test_a_server_that_did_not_listen_blames_nobody() -> None:
    house = House()
    house.enter("guest")
    house.now += 30
    house.visits.sweep(late_seconds=29.8)
    assert not house.gone


def test_without_room_on_the_machine_the_oldest_stranger_goes() -> None:
    house = House()
    house.visits.make_room()
    house.enter("a")
    house.enter("b")
    house.visits.make_room()
    assert house.gone == ["a"]


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
