"""Strangers at a federation's server, on this machine: they hold little, for a short time, and keep no terminal out."""

from __future__ import annotations

import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from support.joined import NOWHERE, Link, Terminal, doubled, signed, superlink, wait, weights

import tinyc
from tinyc.core import limits
from tinyc.federation.flower.messages import TRAIN, Failure
from tinyc.federation.terminals.connection_limits import ConnectionLimits

IMPATIENT = ConnectionLimits(
    handshake_seconds=0.3, head_seconds=0.3, stalled_seconds=0.3, idle_seconds=0.3, leaving_seconds=0.3,
    least_rate=10_000,
)  # fmt: skip
SLACK = 20.0


@pytest.fixture(scope="module")
def impatient(keys: Path) -> Iterator[Link]:
    with superlink(NOWHERE, keys, IMPATIENT) as opened:
        yield opened


def plain(link: Link) -> socket.socket:
    host, port = link.address.split(":")
    return socket.create_connection((host, int(port)), SLACK)


def secure(link: Link, keys: Path) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(keys / "server" / "ca.pem"))
    return context.wrap_socket(plain(link), server_hostname="127.0.0.1")


def head(path: str = "push-object", **fields: str) -> bytes:
    lines = [f"POST /v1/fleet/{path} HTTP/1.1", "host: here", *(f"{key}: {value}" for key, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def over(connection: socket.socket) -> bool:
    """Say whether the other side has ended a connection, within SLACK seconds."""
    connection.settimeout(SLACK)
    try:
        while connection.recv(1000):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def dribbled(connection: socket.socket, content: bytes) -> bool:
    """Send a byte now and then; says whether the other side ended it before all was sent."""
    connection.settimeout(0.02)
    for number in range(len(content)):
        try:
            connection.sendall(content[number : number + 1])
            if connection.recv(1000) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@contextmanager
def many_files() -> Iterator[None]:
    """Strangers are in this process as well, so it needs a descriptor for either end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048) if hard == -1 else min(hard, max(soft, 2048)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("speaks", ["nothing", "TLS"])
def test_terminals_get_in_among_strangers_that_hold_their_connections(link: Link, keys: Path, speaks: str) -> None:
    with ExitStack() as stack, many_files():
        count = 400 if speaks == "nothing" else 60
        held = [stack.enter_context(plain(link) if speaks == "nothing" else secure(link, keys)) for _ in range(count)]
        there = [Terminal(link, keys / name, doubled) for name in ("client-1", "client-2", "client-3")]
        for each in there:
            each.start()
        wait(lambda: len(link.present()) == 3)
        answers = link.ask(TRAIN, weights(list(link.present()), 200_000), SLACK)
        assert [isinstance(each, Failure) for each in answers.values()] == [False] * 3
        open_yet = 0
        for connection in held:
            connection.settimeout(0)
            with suppress(ConnectionError):
                try:
                    open_yet += connection.recv(1) != b""
                except (BlockingIOError, ssl.SSLWantReadError):
                    open_yet += 1
        assert open_yet <= limits.STRANGERS_OF_AN_ADDRESS
        for each in there:
            each.gone.set()
        for each in there:
            each.join(SLACK)


def test_a_newcomer_keeps_its_place_over_an_older_stranger(link: Link) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(plain(link)) for _ in range(limits.STRANGERS_OF_AN_ADDRESS + 1)]
        assert over(held[0])
        held[-1].settimeout(0.1)
        with pytest.raises(TimeoutError):
            held[-1].recv(1)


def test_who_never_speaks_tls_is_sent_away(impatient: Link) -> None:
    with plain(impatient) as silent, plain(impatient) as babbling:
        babbling.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert over(babbling)
        assert over(silent)


def test_a_head_byte_by_byte_is_cut_off(impatient: Link, keys: Path) -> None:
    with secure(impatient, keys) as connection:
        assert dribbled(connection, head(**{"x": "y" * 1000}))


def test_a_signed_body_byte_by_byte_is_cut_off(impatient: Link, keys: Path) -> None:
    fields = {**signed(keys / "client-1"), "content-type": "application/protobuf", "content-length": "10000"}
    with secure(impatient, keys) as connection:
        connection.sendall(head(**fields))
        assert dribbled(connection, b"x" * 1000)


def test_a_terminal_that_is_silent_after_its_answer_is_let_go(impatient: Link, keys: Path) -> None:
    with secure(impatient, keys) as connection:
        connection.sendall(head("pull-messages", **signed(keys / "client-1"), **{"content-length": "0"}))
        assert connection.recv(1000).startswith(b"HTTP/1.1 4")
        assert over(connection)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"content-length": "30000000"}, 401),
        ({"content-length": "0", "x": "y" * limits.HEAD_BYTES}, 431),
        ({"content-length": "0", **{f"x{number}": "y" for number in range(limits.HEAD_FIELDS)}}, 431),
    ],
)
def test_a_refusal_ends_the_connection(link: Link, keys: Path, fields: dict[str, str], status: int) -> None:
    """Whoever shows a known public key, but has not signed the time."""
    fields = {**signed(keys / "client-1"), "flwr-timestamp": "2026-01-01T00:00:00+00:00", **fields}
    with secure(link, keys) as connection:
        connection.sendall(head(**fields))
        assert int(connection.recv(100).split()[1]) == status
        assert over(connection)


def test_a_head_without_end_is_not_kept(link: Link, keys: Path) -> None:
    with secure(link, keys) as connection:
        connection.sendall(head()[:-2] + b"x: " + b"y" * (limits.HEAD_BYTES + 1))
        assert int(connection.recv(100).split()[1]) == 400
        assert over(connection)


def test_a_refused_body_costs_no_memory(link: Link, keys: Path) -> None:
    """Twenty at once announce 30 MB and send them, whatever they are answered."""
    fields = {**signed(keys / "client-1"), "flwr-signature": "c2lnbmVk", "content-length": "30000000"}
    body, process = memoryview(bytes(30_000_000)), psutil.Process()
    most, ended = [process.memory_info().rss], threading.Event()

    def post() -> None:
        with suppress(OSError), secure(link, keys) as connection:
            connection.sendall(head(**fields))
            connection.sendall(body)

    def weigh() -> None:
        while not ended.wait(0.01):
            most.append(process.memory_info().rss)

    posts = [threading.Thread(target=post) for _ in range(20)]
    weighing = threading.Thread(target=weigh)
    for thread in (weighing, *posts):
        thread.start()
    for thread in posts:
        thread.join(SLACK)
    ended.set()
    weighing.join()
    assert max(most) - most[0] < 200e6


def test_a_terminal_has_a_bounded_number_of_bodies_under_way(link: Link, keys: Path) -> None:
    fields = {**signed(keys / "client-1"), "content-type": "application/protobuf"}
    fields["content-length"] = str(limits.REQUEST_BYTES)
    with ExitStack() as stack:
        for number in range(limits.TERMINAL_BYTES // limits.REQUEST_BYTES + 1):
            connection = stack.enter_context(secure(link, keys))
            connection.sendall(head(**fields) + b"x")
            if number < limits.TERMINAL_BYTES // limits.REQUEST_BYTES:
                connection.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    connection.recv(100)
        connection.settimeout(SLACK)
        assert int(connection.recv(100).split()[1]) == 429


SERVES = """
import sys, threading, time
from pathlib import Path
from support.joined import NOWHERE, Terminal, doubled, superlink, wait, weights

class Finder:
    found = set()

    def find_spec(self, name, path=None, target=None):
        if threading.current_thread().name.startswith(("superlink", "AnyIO")):
            self.found.add(name)

folder = Path(sys.argv[1])
with superlink(NOWHERE, folder) as link:
    sys.meta_path.insert(0, Finder())
    Terminal(link, folder / "client-1", doubled).start()
    wait(lambda: len(link.present()) == 1)
    assert len(link.ask("train", weights(list(link.present())), 20)) == 1
print(sorted(Finder.found))
"""


def test_the_server_imports_nothing_while_it_serves(keys: Path) -> None:
    """Flower asks for its enterprise edition again and again, which is in its own package or nowhere."""
    root = Path(tinyc.__file__).parents[1]
    path = f"{root}:{root / 'tests'}"
    done = subprocess.run(
        [sys.executable, "-c", SERVES, str(keys)], env={"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "['flwr.ee']", done.stderr


def test_a_server_that_cannot_accept_for_a_moment_goes_on(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with no file descriptor left: the oldest stranger goes, and the next one comes in."""
    real, failures = socket.socket.accept, list[float]()

    def accept(self: socket.socket) -> object:
        if not failures:
            failures.append(time.monotonic())
            raise OSError(24, "Too many open files")
        return real(self)

    with plain(link) as first:
        time.sleep(0.2)
        monkeypatch.setattr(socket.socket, "accept", accept)
        with plain(link), plain(link) as last:
            assert over(first)
            last.settimeout(0.1)
            with pytest.raises(TimeoutError):
                last.recv(1)
    assert failures
