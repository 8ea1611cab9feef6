"""Real TLS, real keys and Flower's own SuperLink, in this process: who gets in, and who is let go."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from support.joined import NOWHERE, Link, Terminal, doubled, signed, superlink, wait
from support.lessons import Notes

from tinyc.core import limits
from tinyc.core.errors import MachineError, UserError
from tinyc.core.progress import Silent
from tinyc.federation.flower import fleet, signatures
from tinyc.federation.terminals import connection, serving
from tinyc.federation.terminals import keys as key_files
from tinyc.federation.terminals.request_filter import PATHS


def test_a_forged_key_is_refused_and_changes_nothing(link: Link, keys: Path, tmp_path: Path) -> None:
    key_files.make(tmp_path / "forged", 1)
    (tmp_path / "forged" / "client-1" / "ca.pem").write_bytes((keys / "server" / "ca.pem").read_bytes())
    forged = key_files.read_client(tmp_path / "forged" / "client-1")
    with (
        pytest.raises(UserError, match="does not know the key client-1"),
        connection.connected(link.address, forged, 3, pytest.fail),
    ):
        pass
    assert link.present() == {}
    assert set(link.names.values()) == {"client-1", "client-2", "client-3"}


def test_anothers_public_key_does_not_help_without_the_private_one(link: Link, keys: Path) -> None:
    """Show the right public key, and sign with another private key."""
    from cryptography.hazmat.primitives.asymmetric import ec

    known = key_files.read_client(keys / "client-1")

    class Forged:
        def __init__(self) -> None:
            self.sign = ec.generate_private_key(ec.SECP384R1()).sign

        def public_key(self) -> Any:
            return known.private.public_key()

    forged = key_files.ClientKeys(known.folder, known.name, known.authority, Forged())
    with (
        pytest.raises(UserError, match="refused this terminal's signature"),
        connection.connected(link.address, forged, 0, pytest.fail),
    ):
        pass
    assert link.present() == {}


def test_a_terminal_does_not_talk_to_another_server(link: Link, tmp_path: Path) -> None:
    key_files.make(tmp_path / "other", 1)
    other = key_files.read_client(tmp_path / "other" / "client-1")
    with (
        pytest.raises(UserError, match="is not the server of these keys"),
        connection.connected(link.address, other, 3, pytest.fail),
    ):
        pass


def test_the_same_key_twice_waits_for_the_first_to_go(link: Link, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WAITS_SECONDS", (0.01,))
    first = Terminal(link, keys / "client-1", doubled)
    first.start()
    wait(lambda: len(link.present()) == 1)
    said: list[str] = []
    with (
        pytest.raises(MachineError, match="a terminal with this key is still connected"),
        connection.connected(link.address, key_files.read_client(keys / "client-1"), 2, said.append),
    ):
        pass
    assert len(said) == 2
    first.gone.set()
    first.join(20)
    with connection.connected(link.address, key_files.read_client(keys / "client-1"), 0, pytest.fail):
        assert list(link.present().values()) == ["client-1"]


def test_nobody_answers(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WAITS_SECONDS", (0.01,))
    said: list[str] = []
    with (
        pytest.raises(MachineError, match="cannot be reached") as caught,
        connection.connected("127.0.0.1:1", key_files.read_client(keys / "client-1"), 3, said.append),
    ):
        pass
    assert caught.value.exit_code == 3
    assert [text.rpartition("(")[2] for text in said] == ["3 tries left)", "2 tries left)", "1 tries left)"]


@pytest.mark.parametrize("seconds", [-400, 60])
def test_a_clock_that_differs_is_told_by_how_much(
    link: Link, keys: Path, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flwr.supernode import node_auth_http_interceptor

    def now() -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)

    monkeypatch.setattr(node_auth_http_interceptor, "now", now)
    monkeypatch.setattr(connection, "now", now)
    side = "ahead of" if seconds > 0 else "behind"
    with (
        pytest.raises(UserError, match=rf"signature: its clock is [0-9]+ s {side} the server's") as caught,
        connection.connected(link.address, key_files.read_client(keys / "client-1"), 3, pytest.fail),
    ):
        pass
    assert "set the clock" in caught.value.remedy
    assert abs(int(caught.value.problem.split()[-6 if seconds > 0 else -5]) - abs(seconds)) <= 3


def test_what_answers_without_tls_is_said(keys: Path) -> None:
    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, daemon=True).start()
        with (
            pytest.raises(MachineError, match="cannot be reached: what answers there speaks no TLS"),
            connection.connected(
                f"127.0.0.1:{listener.getsockname()[1]}", key_files.read_client(keys / "client-1"), 0, pytest.fail
            ),
        ):
            pass


def test_a_server_under_another_name_is_said(keys: Path) -> None:
    with (
        superlink("0.0.0.0:0", keys) as link,
        pytest.raises(UserError, match=r"has a certificate for other names: .*\n.*--host"),
        connection.connected(
            link.address.replace("0.0.0.0", "127.0.0.2"), key_files.read_client(keys / "client-1"), 3, pytest.fail
        ),
    ):
        pass


@pytest.mark.parametrize("server", ["here", "https://here:9092", "a b:9", "[::1:9", "here:99999", "here:9/x", ":9"])
def test_a_server_is_host_and_port(keys: Path, server: str) -> None:
    with (
        pytest.raises(UserError, match="is no HOST:PORT"),
        connection.connected(server, key_files.read_client(keys / "client-1"), 3, pytest.fail),
    ):
        pass


def test_a_request_that_finds_no_connection_is_made_again() -> None:
    """Before it was sent, so that nothing is done twice; whatever else fails ends the connection."""
    import httpx

    failures: list[Exception] = [httpx.ConnectError("reset"), httpx.ConnectTimeout("slow")]

    def send() -> str:
        if failures:
            raise failures.pop(0)
        return "answer"

    retry = fleet.retrying()
    retry.max_tries = 3
    assert retry.invoke(send) == "answer"
    failures += [httpx.ConnectError("reset")] * 3
    with pytest.raises(httpx.ConnectError):
        retry.invoke(send)
    failures[:] = [httpx.ReadError("cut")]
    with pytest.raises(httpx.ReadError):
        retry.invoke(send)


def test_what_comes_and_is_no_message_ends_in_one(link: Link, keys: Path) -> None:
    from google.protobuf.message import DecodeError

    def garbage() -> None:
        raise DecodeError("Error parsing message")

    with (
        connection.connected(link.address, key_files.read_client(keys / "client-1"), 0, pytest.fail) as wire,
        pytest.raises(UserError, match="what the server asks: cannot be done here: DecodeError"),
    ):
        wire.guarded(garbage)


def ask(link: Link, path: str, keys: Path, **headers: str) -> int:
    import httpx

    context = ssl.create_default_context(cafile=str(keys / "server" / "ca.pem"))
    return httpx.post(f"https://{link.address}{path}", verify=context, content=b"", headers=headers).status_code


def announced(link: Link, keys: Path, headers: dict[str, str]) -> int:
    """Send the head of a request alone; gives the status that it is answered with."""
    host, port = link.address.split(":")
    context = ssl.create_default_context(cafile=str(keys / "server" / "ca.pem"))
    head = "POST /v1/fleet/push-object HTTP/1.1\r\nhost: here\r\n"
    head += "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    with socket.create_connection((host, int(port)), 10) as plain:
        tls = context.wrap_socket(plain, server_hostname=host)
        tls.sendall(f"{head}\r\n".encode())
        return int(tls.recv(100).split()[1])


def test_registered_terminals_pass_the_filter_and_nothing_else(link: Link, keys: Path) -> None:
    """Flower's interfaces for starting runs, registering keys and executing apps do not exist here."""
    from base64 import b64encode

    KEY = signatures.KEY.decode()
    known = {KEY: b64encode((keys / "server" / "clients" / "client-1.pub").read_bytes()).decode()}
    for path in ("/v1/control/start-run", "/v1/control/register-node", "/v1/fleet/register-node", "/v1/fleet/get-fab",
                 "/v1/runtime/push-messages", "/docs", "/openapi.json", "/health"):  # fmt: skip
        assert ask(link, path, keys, **known) == 404, path
    for path in PATHS:
        assert ask(link, path, keys) == 403, path
        assert ask(link, path, keys, **{KEY: "no base64!"}) == 400, path
        assert ask(link, path, keys, **{KEY: b64encode(b"unknown").decode()}) == 403, path
    assert announced(link, keys, {**known, "content-length": "10"}) == 401
    own = signed(keys / "client-1")
    assert announced(link, keys, {**own, "content-length": str(limits.REQUEST_BYTES + 1)}) == 413
    assert announced(link, keys, {**own, "transfer-encoding": "chunked"}) == 413
    # What passes the filter is Flower's to answer: here it misses the content's type.
    assert ask(link, "/v1/fleet/pull-messages", keys, **own) == 415


def test_without_tls_nothing_is_said(link: Link) -> None:
    import httpx

    with pytest.raises(httpx.HTTPError):
        httpx.post(f"http://{link.address}/v1/fleet/activate-node", content=b"")


def test_a_port_that_is_taken_is_said(link: Link, keys: Path) -> None:
    with (
        pytest.raises(MachineError, match=r"cannot be listened to: Address already in use\n"),
        superlink(link.address, keys),
    ):
        pass


def test_a_name_that_cannot_be_one_is_said(keys: Path) -> None:
    with (
        pytest.raises(MachineError, match="cannot be listened to"),
        superlink(f"a..{'b' * 70}:9092", keys),
    ):
        pass


@pytest.mark.parametrize("address", ["9092", "server:port", ":9092", "0.0.0.0:99999"])
def test_an_address_is_host_and_port(address: str, keys: Path) -> None:
    with pytest.raises(UserError, match="is no HOST:PORT"), superlink(address, keys):
        pass


def test_it_ends_without_threads_and_lets_the_port_go(keys: Path) -> None:
    before = set(threading.enumerate())
    with superlink(NOWHERE, keys) as link:
        port = link.address
    wait(lambda: not [each for each in set(threading.enumerate()) - before if each.name.startswith("superlink")])
    with superlink(port, keys) as again:
        assert again.address == port


def test_terminals_are_let_go_when_all_is_done(keys: Path) -> None:
    with serving.listening(NOWHERE, key_files.read_server(keys)) as site:
        there = [Terminal(Link(site.link, site.address), keys / name, doubled) for name in ("client-1", "client-3")]
        for each in there:
            each.start()
        serving.gather(site, 2, 30, Silent())
    for each in there:
        each.join(10)
        assert not each.is_alive()


def test_too_few_terminals_are_counted(keys: Path) -> None:
    heard = Notes()
    with serving.listening(NOWHERE, key_files.read_server(keys)) as site:
        there = Terminal(Link(site.link, site.address), keys / "client-1", doubled)
        there.start()
        wait(lambda: len(site.link.present()) == 1)
        with pytest.raises(MachineError, match=r"1 of 2 terminals joined in 0\.1 s"):
            serving.gather(site, 2, 0.1, heard)
    assert heard.said == [
        f"federate: listening on {site.address}, waiting for 2 terminals (tinyc federate join)",
        "federate: client-1 has joined (1 of 2)",
    ]


def test_a_recipe_without_a_server_is_told_how() -> None:
    with pytest.raises(UserError, match="tinyc federate serve RECIPE"):
        serving.current()
