"""How a terminal reaches the server: it tries again where that is worth it, and words what is not."""

from __future__ import annotations

import datetime
import functools
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from tinyc.core.errors import MachineError, UserError
from tinyc.federation.flower.fleet import Fleet, fleet
from tinyc.federation.terminals.keys import ClientKeys

WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0)
ADDRESS = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+(%\w+)?\]):[0-9]{1,5}", re.ASCII)
CLOCK = "set the clock: it may be 5 minutes behind the server's, and 5 seconds ahead"
Say = Callable[[str], None]
T = TypeVar("T")


@contextmanager
def connected(server: str, keys: ClientKeys, retries: int, say: Say) -> Iterator[Fleet]:
    """Connect to a server, trying again where it does not answer, and disconnect at the end.

    Raises:
        UserError: `server` is no address, does not know this key, is not the one that the keys belong to, or the clocks
            differ.
        MachineError: it cannot be reached in `retries` further tries.
    """
    if not ADDRESS.fullmatch(server) or int(server.rpartition(":")[2]) > 65535:
        raise UserError(f"--server {server}", "is no HOST:PORT", "for example gateway.example.org:9092")
    first = functools.partial(answered, server, keys, retries, say)
    with fleet(server, keys.authority, keys.private, first) as connection:
        yield connection


def answered(server: str, keys: ClientKeys, retries: int, say: Say, request: Callable[[], T]) -> T:
    """Make the first request of a connection until it is answered; raises as `connected` does."""
    for attempt in range(retries + 1):
        try:
            return request()
        except httpx.HTTPError as error:
            refuse(error, server, keys)
            last = reason(error)
        if attempt < retries:
            wait = WAITS_SECONDS[min(attempt, len(WAITS_SECONDS) - 1)]
            say(f"{server}: {last}; trying again in {wait:g} s ({retries - attempt} tries left)")
            time.sleep(wait)
    remedy = "is `tinyc federate serve` running there, and its port open? --max-retries tries longer"
    raise MachineError(f"--server {server}", f"cannot be reached: {last}", remedy)


def refuse(error: Any, server: str, keys: ClientKeys) -> None:
    """Raise what trying again does not mend."""
    where = f"--server {server}"
    if verification := caused_by(error, ssl.SSLCertVerificationError):
        raise untrusted(verification, where, keys)
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status == 403:
        remedy = "ask for a key of its own: `tinyc federate keys` makes them, and the server must be started with them"
        raise UserError(where, f"does not know the key {keys.name} in {keys.folder}", remedy)
    if status == 401:
        raise UserError(where, f"refused this terminal's signature{apart(response)}", CLOCK)
    if status in (400, 404):
        raise UserError(where, f"is no server of a federation (HTTP {status})", "give the address that `serve` says")


def untrusted(error: Any, where: str, keys: ClientKeys) -> UserError:
    """Word why the server's certificate is not believed."""
    why = getattr(error, "verify_message", None) or str(error)
    match getattr(error, "verify_code", None):
        case 9:  # X509_V_ERR_CERT_NOT_YET_VALID
            return UserError(where, f"has a certificate that does not hold yet by this clock: {why}", "set the clock")
        case 10:  # X509_V_ERR_CERT_HAS_EXPIRED
            problem = f"has a certificate that has run out by this clock: {why}"
            remedy = "set the clock if it is wrong; else make new keys with `tinyc federate keys`, for all parties"
            return UserError(where, problem, remedy)
        case 62 | 64:  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            problem = f"has a certificate for other names: {why}"
            remedy = "write a name that it was made for, or make new keys with this one as --host, for all parties"
            return UserError(where, problem, remedy)
    remedy = f"start it with the keys that {keys.folder} came with, or take the folder that came with its own"
    return UserError(where, f"is not the server of these keys: {why}", remedy)


def apart(response: Any) -> str:
    """Say how far this clock is from the server's, where its answer tells the time."""
    try:
        theirs = parsedate_to_datetime(response.headers["date"])
        seconds = (now() - theirs).total_seconds()
    except (KeyError, ValueError, TypeError):
        return ""
    if abs(seconds) < 2:  # the answer tells whole seconds
        return ""
    return f": its clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the server's"


def now() -> datetime.datetime:
    """Tell the time by this clock."""
    return datetime.datetime.now(datetime.UTC)


def reason(error: Any) -> str:
    """Say in a few words why there was no answer."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 412:
        return "a terminal with this key is still connected"
    if getattr(caused_by(error, ssl.SSLError), "reason", "") == "WRONG_VERSION_NUMBER":
        return "what answers there speaks no TLS"
    return f"HTTP {status}" if status else str(error) or type(error).__name__


def caused_by(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """Find an error of a kind among those that led to this one."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error
