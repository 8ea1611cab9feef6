"""The engine "deployment": the rounds go to real terminals, while `tinyc federate serve` runs the recipe.

Where terminals connect, and by which keys, belongs to the place and not to the recipe: `listening` says it, for
everything that runs within, and the pass `federate` finds it by `current`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from tinyc.core import files, limits
from tinyc.core.errors import MachineError, UserError
from tinyc.core.progress import Progress
from tinyc.federation.flower.messages import DONE
from tinyc.federation.flower.superlink import SuperLink, superlink
from tinyc.federation.rounds import loop
from tinyc.federation.rounds.server import Finished, Server
from tinyc.federation.terminals import keys as key_files
from tinyc.federation.terminals import listener
from tinyc.federation.terminals.connection_limits import ConnectionLimits, Connections
from tinyc.federation.terminals.keys import SEALING_PUBLIC, ServerKeys
from tinyc.federation.terminals.opening import opened
from tinyc.federation.terminals.request_filter import RequestFilter

CLOSING_SECONDS = 15.0
POLL_SECONDS = 0.2


@dataclass
class Serving:
    """A server that terminals can reach.

    Attributes:
        address: where it listens, HOST:PORT.
        link: the transport to the terminals.
        keys: the server's keys, of which encryption needs more than TLS.
        clients: how many terminals to wait for; None leaves it to the pass.
        trainings: how many federated trainings are still to come; after the last one the terminals are let go.
        ends: closes the port.
    """

    address: str
    link: SuperLink
    keys: ServerKeys
    clients: int | None
    trainings: int
    ends: ExitStack


CURRENT: ContextVar[Serving | None] = ContextVar("serving", default=None)


@contextmanager
def listening(address: str, keys: ServerKeys, clients: int | None = None, trainings: int = 1) -> Iterator[Serving]:
    """Let terminals in at `address` (HOST:PORT) while the block runs, or until its last federated training is done.

    A block that fails does not say goodbye: terminals then try again for a while, and find the server that goes on.

    Raises:
        UserError: the address is none.
        MachineError: the port cannot be had.
    """
    with ExitStack() as ends:
        link, place = ends.enter_context(connected(address, keys))
        here = Serving(place, link, keys, clients, trainings, ends)
        token = CURRENT.set(here)
        try:
            yield here
            close(here)
        finally:
            CURRENT.reset(token)


@contextmanager
def connected(address: str, keys: ServerKeys, most: ConnectionLimits | None = None) -> Iterator[tuple[SuperLink, str]]:
    """Serve terminals at `address` (HOST:PORT, port 0 for any) until the block ends; give the transport and the place.

    Nothing is imported while it serves: what else runs in this process may look through all modules meanwhile, and a
    user's file may stand first in the path.

    Raises:
        UserError: `address` is none, or the server's certificate is not one that TLS takes.
        MachineError: the port cannot be had.
    """
    tls = key_files.tls(keys)
    with listener.bound(address) as port, superlink(keys.clients) as link:
        names: Mapping[bytes, str] = {public: name for name, public in keys.clients.items()}
        connections = Connections(most or ConnectionLimits(), time.monotonic)
        host, number = port.getsockname()[:2]
        with listener.listening(port, listener.shared(RequestFilter(link.app, connections, names), tls)):
            yield link, f"{host}:{number}"


def current() -> Serving:
    """Give the place where terminals connect.

    Raises:
        UserError: the recipe runs without one.
    """
    found = CURRENT.get()
    if found is None:
        remedy = 'run it with `tinyc federate serve RECIPE --keys DIR`, or set engine = "simulation"'
        raise UserError("federate.engine", '"deployment" needs terminals, and nobody listens for them', remedy)
    return found


def encryption_key() -> bytes:
    """Read the key that a server among real terminals has for encryption: it opens nothing.

    Raises:
        MachineError: it is not there.
    """
    path = current().keys.folder / SEALING_PUBLIC
    if not path.exists():
        remedy = "make keys with `tinyc federate keys DIR --clients N --encryption`"
        raise MachineError(str(path), "the key for averaging under encryption is not there", remedy)
    return files.read(path, limits.SEALING_KEY_BYTES)


def run(server: Server) -> Finished:
    """Train all rounds on the terminals that join; waits for them first.

    Raises:
        MachineError: too few came in `options.timeout` seconds, or `loop.run` raised it.
    """
    here = current()
    wanted = here.clients or server.options.min_clients
    gather(here, wanted, server.options.timeout, server.progress)
    finished = opened(server, here.link, loop.run(replace(server, clients=wanted), here.link))
    here.trainings -= 1
    if here.trainings == 0:
        close(here)
    return finished


def gather(here: Serving, wanted: int, seconds: float, progress: Progress) -> None:
    """Wait until enough terminals are connected, and say who comes and goes.

    Raises:
        MachineError: too few came in time.
    """
    ends = time.monotonic() + seconds
    progress.say(f"federate: listening on {here.address}, waiting for {wanted} terminals (tinyc federate join)")
    known: set[str] = set()
    while True:
        there = set(here.link.present().values())
        for name in sorted(known - there):
            known.discard(name)
            progress.say(f"federate: {name} has left ({len(known)} of {wanted})")
        for name in sorted(there - known):
            known.add(name)
            progress.say(f"federate: {name} has joined ({len(known)} of {wanted})")
        if len(there) >= wanted:
            return
        if time.monotonic() > ends:
            problem = f"{len(there)} of {wanted} terminals joined in {seconds:g} s"
            raise MachineError("federate", problem, "start the others, give --clients fewer, or raise `timeout`")
        time.sleep(POLL_SECONDS)


def close(here: Serving) -> None:
    """Tell the terminals that all is done, wait until they have left, and let nobody in again."""
    there = here.link.present()
    here.link.tell(DONE)
    ends = time.monotonic() + CLOSING_SECONDS
    while here.link.present() and there and time.monotonic() < ends:
        time.sleep(POLL_SECONDS)
    here.ends.close()
