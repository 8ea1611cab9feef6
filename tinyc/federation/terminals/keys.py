"""The keys of a federation: who the server is, and which terminals it listens to.

```
DIR/server/    ca.pem  server.pem  server.key  clients/client-1.pub ...
DIR/client-1/  ca.pem  client-1.key  client-1.pub
```

With keys for averaging under encryption, `server/` gets encryption.pub, which opens nothing, and every terminal the
same encryption.key, which opens what any of them sends.
A folder goes to its own party and to nobody else. The authority that signs the server's certificate exists while the
keys are made: its private key is never written, so nobody can sign a second server later.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tinyc.core import files, limits
from tinyc.core.errors import UserError
from tinyc.federation.privacy import ciphertexts
from tinyc.federation.terminals import pem

LOOPBACK = ("localhost", "127.0.0.1", "::1")
SEALING_PUBLIC, SEALING_PRIVATE = "encryption.pub", "encryption.key"
REMEDY = "make keys with `tinyc federate keys DIR --clients N`, and give each party its own folder"
T = TypeVar("T")


@dataclass(frozen=True)
class ServerKeys:
    """What a server needs: its certificate, and the public keys (PEM) that it listens to, by client name."""

    folder: Path
    certificate: Path
    key: Path
    clients: Mapping[str, bytes]


@dataclass(frozen=True)
class ClientKeys:
    """What a terminal needs: the authority it trusts (PEM), its own private key, and the name of that key."""

    folder: Path
    name: str
    authority: bytes
    private: Any = field(repr=False)


def make(
    folder: Path, clients: int, hosts: tuple[str, ...] = (), days: int = 365, encryption: bool = False
) -> tuple[Path, ...]:
    """Make the keys of one server and `clients` terminals; give the parties' folders, the server's first.

    Args:
        folder: a new or empty folder.
        clients: how many terminals.
        hosts: names and addresses under which terminals reach the server, besides those of this machine.
        days: how long the certificates hold.
        encryption: make the pair of key files for averaging under encryption, too.

    Raises:
        UserError: `folder` has something in it already, or a host is neither a name nor an address.
        MachineError: TenSEAL is not installed, which `encryption` needs.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(str(folder), "is there already, and keys are never overwritten", "name a new folder")
    sealing = ciphertexts.make_keys() if encryption else None
    authority, certificate, key = pem.authority_and_server(tuple(dict.fromkeys((*LOOPBACK, *hosts))), days)
    contents = {"server/ca.pem": authority, "server/server.pem": certificate, "server/server.key": key}
    names = [f"client-{number}" for number in range(1, clients + 1)]
    for name in names:
        private, public = pem.key_pair()
        contents |= {f"{name}/ca.pem": authority, f"{name}/{name}.key": private, f"{name}/{name}.pub": public}
        contents[f"server/clients/{name}.pub"] = public
    if sealing:
        contents[f"server/{SEALING_PUBLIC}"] = sealing.server
        contents |= {f"{name}/{SEALING_PRIVATE}": sealing.clients for name in names}
    for path, content in contents.items():
        write(folder / path, content)
    return tuple(folder / each for each in ("server", *names))


def write(path: Path, content: bytes) -> None:
    """Write a file into a party's folder; a private key may be read by its owner only, from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = 0o600 if path.suffix == ".key" else 0o666
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def read_server(folder: Path) -> ServerKeys:
    """Read what `make` wrote for the server, from its own folder or the one around it.

    Raises:
        UserError: a file is missing or unreadable, no terminal is known, or the certificate has run out.
    """
    folder = folder / "server" if (folder / "server").is_dir() else folder
    certificate, key = needed(folder / "server.pem"), needed(folder / "server.key")
    parsed(key, pem.load_private, "private key")
    refuse_ended(certificate)
    found = sorted((folder / "clients").glob("*.pub"))
    if not found:
        raise UserError(str(folder / "clients"), "holds no terminal's public key (*.pub)", REMEDY)
    clients = {path.stem: pem.public_pem(parsed(path, pem.load_public, "public key")) for path in found}
    if len(set(clients.values())) < len(clients):
        raise UserError(str(folder / "clients"), "holds the same public key twice", "one key a terminal")
    return ServerKeys(folder, certificate, key, clients)


def read_client(folder: Path, name: str | None = None) -> ClientKeys:
    """Read what `make` wrote for one terminal; with `name`, make sure that it is that one's.

    Raises:
        UserError: a file is missing or unreadable, or there are private keys of several parties.
    """
    inside = sorted(path.name for path in folder.glob("*/*.key") if path.stem == path.parent.name != "server")
    if inside and not (folder / "ca.pem").exists():
        listed = ", ".join(Path(each).stem for each in inside[:5])
        raise UserError(str(folder), f"holds the keys of several terminals: {listed}", "say which by --name")
    authority = needed(folder / "ca.pem")
    refuse_ended(authority)
    found = [path for path in sorted(folder.glob("*.key")) if path.name != SEALING_PRIVATE]
    if len(found) != 1 or found[0].name == "server.key" or (name and found[0].stem != name):
        listed = ", ".join(path.name for path in found) or "none"
        wanted = f"{name}.key" if name else "one terminal's private key (*.key)"
        raise UserError(str(folder), f"must hold {wanted}; found {listed}", REMEDY)
    if not (trusted := files.read(authority, limits.KEY_BYTES)).isascii():
        raise UserError(str(authority), "is no certificate that can be used: it is not ASCII", REMEDY)
    private = parsed(found[0], pem.load_private, "private key")
    return ClientKeys(folder, found[0].stem, trusted, private)


def tls(keys: ServerKeys) -> ssl.SSLContext:
    """Make what the server speaks TLS with.

    Raises:
        UserError: its certificate and its key do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(keys.certificate, keys.key)
    except ssl.SSLError as error:
        raise UserError(str(keys.key), f"does not belong to {keys.certificate.name}: {error.reason}", REMEDY) from error
    return context


def refuse_ended(certificate: Path) -> None:
    """Refuse a certificate that has run out."""
    ends = parsed(certificate, pem.ends_of, "certificate")
    if ends < pem.now():
        raise UserError(str(certificate), f"ran out on {ends:%Y-%m-%d}", REMEDY)


def needed(path: Path) -> Path:
    """Refuse a file that is not there."""
    if not path.exists():
        raise UserError(str(path), "is not there", REMEDY)
    return path


def parsed(path: Path, parse: Callable[[bytes], T], what: str) -> T:
    """Read a file, and refuse what is no such thing."""
    try:
        return parse(files.read(path, limits.KEY_BYTES))
    except ValueError as error:
        raise UserError(str(path), f"is no {what} that can be used: {error}", REMEDY) from error


def sealing_key(folder: Path) -> bytes:
    """Read a terminal's key for encryption.

    Raises:
        UserError: there is none, or it opens nothing.
    """
    path = folder / SEALING_PRIVATE
    if not path.exists():
        remedy = "make keys with `tinyc federate keys DIR --clients N --encryption`; all terminals get the same one"
        raise UserError(str(path), "is not there, and the server asks for encrypted updates", remedy)
    content = files.read(path, limits.SEALING_KEY_BYTES)
    if not ciphertexts.read_key(content, str(path)).opens:
        raise UserError(str(path), "is the server's key, which opens nothing", f"take the terminal's {SEALING_PRIVATE}")
    return content
