"""Keys: who gets which files, who can read them, and what a server's certificate is good for."""

from __future__ import annotations

import datetime
import os
import ssl
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.federation.privacy import ciphertexts
from tinyc.federation.terminals import keys as key_files
from tinyc.federation.terminals import pem


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    key_files.make(folder, 3, ("gateway.example.org", "10.0.0.5"), days=30)
    return folder


def test_each_party_gets_its_own_files(made: Path) -> None:
    found = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    parties = [f"client-{n}/{name}" for n in (1, 2, 3) for name in ("ca.pem", f"client-{n}.key", f"client-{n}.pub")]
    own = ["server/ca.pem", *(f"server/clients/client-{n}.pub" for n in (1, 2, 3)), "server/server.key"]
    assert found == [*parties, *own, "server/server.pem"]


def test_only_the_owner_reads_private_keys(made: Path) -> None:
    for path in made.rglob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_authority_that_signed_cannot_sign_again(made: Path) -> None:
    """Every private key in the folder belongs to a party; none to the authority."""
    authority = x509.load_pem_x509_certificate((made / "server" / "ca.pem").read_bytes())
    public = authority.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    signer = pem.public_pem(public)
    held = {pem.public_pem(pem.load_private(path.read_bytes()).public_key()) for path in made.rglob("*.key")}
    assert len(held) == 4
    assert signer not in held


def test_the_server_answers_to_the_hosts_that_were_given(made: Path) -> None:
    certificate = x509.load_pem_x509_certificate((made / "server" / "server.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "gateway.example.org"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1", "10.0.0.5"]
    assert 29 <= (certificate.not_valid_after_utc - pem.now()).days <= 30


def test_tls_takes_the_server_for_what_it_is(made: Path) -> None:
    """A handshake in memory, with the names checked as a terminal checks them."""
    assert handshake(made / "server", made / "client-1" / "ca.pem", "gateway.example.org")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(made / "server", made / "client-1" / "ca.pem", "elsewhere.example.org")


def test_another_authority_is_not_believed(made: Path, tmp_path: Path) -> None:
    key_files.make(tmp_path / "other", 1)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made / "server", tmp_path / "other" / "client-1" / "ca.pem", "localhost")


def handshake(server: Path, authority: Path, name: str) -> bool:
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(server / "server.pem", server / "server.key")
    asking = ssl.create_default_context(cafile=str(authority))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server, server_hostname=name)
    other = listening.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        done = [advance(client), advance(other)]
        if all(done):
            return True
    return False


def advance(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def test_what_is_there_is_never_overwritten(made: Path) -> None:
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="never overwritten"):
        key_files.make(made, 2)
    assert before == {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}


@pytest.mark.parametrize("host", ["https://server", "server:9092", "", "sérver"])
def test_a_host_is_a_name_or_an_address(host: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a name nor an address"):
        key_files.make(tmp_path / "keys", 1, (host,))
    assert not (tmp_path / "keys").exists()


def test_the_parties_read_what_they_got(made: Path) -> None:
    server, client = key_files.read_server(made), key_files.read_client(made / "client-2")
    assert list(server.clients) == ["client-1", "client-2", "client-3"]
    assert client.name == "client-2"
    assert server.clients["client-2"] == pem.public_pem(client.private.public_key())
    assert client.authority == (made / "server" / "ca.pem").read_bytes()


def test_a_server_can_leave_a_terminal_out(made: Path, tmp_path: Path) -> None:
    key_files.make(tmp_path / "keys", 2)
    (tmp_path / "keys" / "server" / "clients" / "client-1.pub").unlink()
    assert list(key_files.read_server(tmp_path / "keys" / "server").clients) == ["client-2"]


def spoil(folder: Path, what: str) -> Path:
    """Make keys, spoil one file, and give the folder of the party that has it."""
    key_files.make(folder, 2, days=1)
    party, _, name = what.partition(" ")
    place = folder / party
    if name.startswith("-"):
        (place / name[1:]).unlink()
    elif name == "two":
        (place / "client-2.key").write_bytes((folder / "client-2" / "client-2.key").read_bytes())
    elif name == "same":
        (place / "clients" / "client-3.pub").write_bytes((place / "clients" / "client-2.pub").read_bytes())
    elif name == "other":
        key_files.make(folder / "other", 1)
        (place / "server.key").write_bytes((folder / "other" / "server" / "server.key").read_bytes())
    else:
        how, _, name = name.rpartition(" ")
        (place / name).unlink()
        SPOILT[how](place / name)
    return place


SPOILT: dict[str, Callable[[Path], object]] = {
    "": lambda path: path.write_text("nonsense"),
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "huge": lambda path: path.write_bytes(b"\0" * (limits.KEY_BYTES + 1)),
    "bytes": lambda path: path.write_bytes(bytes(range(256))),
    "empty": lambda path: path.write_bytes(b""),
}
FILES = [
    ("client-1", "client-1.key"), ("client-1", "ca.pem"), ("server", "server.key"), ("server", "server.pem"),
    ("server", "clients/client-1.pub"),
]  # fmt: skip


@pytest.mark.parametrize(("party", "name"), FILES)
@pytest.mark.parametrize("how", ["pipe", "folder", "huge", "bytes", "empty"])
def test_a_file_of_any_kind_ends_in_one_message(party: str, name: str, how: str, tmp_path: Path) -> None:
    place = spoil(tmp_path / "keys", f"{party} {how} {name}")
    read = key_files.read_server if party == "server" else key_files.read_client
    said = {"pipe": "is a pipe", "folder": "is a folder", "huge": "at most"}.get(how, "is no .* that can be used")
    with pytest.raises(UserError, match=rf"{Path(name).name}: .*{said}"):
        read(place)


def test_a_key_of_another_certificate_is_said(tmp_path: Path) -> None:
    keys = key_files.read_server(spoil(tmp_path / "keys", "server other"))
    with pytest.raises(UserError, match=r"server\.key: does not belong to server\.pem"):
        key_files.tls(keys)


@pytest.mark.parametrize(("party", "name"), [("server", "server.pem"), ("client-1", "ca.pem")])
def test_a_certificate_that_has_ended_is_said(
    party: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_files.make(tmp_path / "keys", 1, days=1)
    later = pem.now() + datetime.timedelta(days=2)
    monkeypatch.setattr(pem, "now", lambda: later)
    read = key_files.read_server if party == "server" else key_files.read_client
    with pytest.raises(UserError, match=rf"{name}: ran out on 20"):
        read(tmp_path / "keys" / party)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("client-1 -ca.pem", "ca.pem: is not there"),
        ("client-1 -client-1.key", "found none"),
        ("client-1 two", "found client-1.key, client-2.key"),
        ("client-1 client-1.key", "is no private key"),
        ("client-1 ca.pem", "is no certificate"),
        ("server -server.key", "server.key: is not there"),
        ("server server.pem", "is no certificate"),
        ("server clients/client-1.pub", "client-1.pub: is no public key"),
        ("server same", "the same public key twice"),
    ],
)
def test_spoilt_keys_are_named(what: str, said: str, tmp_path: Path) -> None:
    place = spoil(tmp_path / "keys", what)
    read = key_files.read_server if place.name == "server" else key_files.read_client
    with pytest.raises(UserError, match=said):
        read(place)


def test_a_folder_of_several_terminals_asks_which(made: Path) -> None:
    with pytest.raises(UserError, match=r"several terminals: client-1, client-2, client-3\n.*--name"):
        key_files.read_client(made)
    assert key_files.read_client(made / "client-3", "client-3").name == "client-3"
    with pytest.raises(UserError, match=r"must hold client-1\.key; found client-3\.key"):
        key_files.read_client(made / "client-3", "client-1")


def test_a_server_is_no_terminal(made: Path) -> None:
    with pytest.raises(UserError, match=r"found server\.key"):
        key_files.read_client(made / "server")


def test_keys_for_encryption_open_only_at_the_terminals(tmp_path: Path) -> None:
    key_files.make(tmp_path / "keys", 2, encryption=True)
    public = tmp_path / "keys" / "server" / key_files.SEALING_PUBLIC
    private = [tmp_path / "keys" / f"client-{n}" / key_files.SEALING_PRIVATE for n in (1, 2)]
    assert not ciphertexts.read_key(public.read_bytes(), "server").opens
    assert all(ciphertexts.read_key(path.read_bytes(), "client").opens for path in private)
    assert private[0].read_bytes() == private[1].read_bytes()
    assert stat.S_IMODE(private[0].stat().st_mode) == 0o600
    assert key_files.read_client(tmp_path / "keys" / "client-1").name == "client-1"
