"""The engine "deployment": the rounds go to real terminals, while `tinyc federate serve` runs the recipe.

Where terminals are met, and by which keys, belongs to the place and not to the recipe: `opened` says it, for everything
that runs within, and the pass `federate` finds it there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import MachineError, UserError
from tinyc.federation.certificates import ServerKeys
from tinyc.federation.deployment_grid import LinkGrid
from tinyc.federation.deployment_link import Link, superlink

if TYPE_CHECKING:
    from tinyc.core.progress import Progress
    from tinyc.federation.server import Finished, Server

DONE = "query.done"
FAREWELL_SECONDS = 15.0
LOOK_SECONDS = 0.2


@dataclass
class Site:
    """A server that terminals can reach.

    Attributes:
        link: the running SuperLink.
        keys: the server's keys, for passes that need more of them than TLS does.
        clients: how many terminals to wait for; None leaves it to the pass.
        trainings: how many federated trainings are still to come; after the last one the terminals are let go.
        doors: closes the SuperLink.
    """

    link: Link
    keys: ServerKeys
    clients: int | None
    trainings: int
    doors: ExitStack


SITE: ContextVar[Site | None] = ContextVar("site", default=None)


@contextmanager
def opened(address: str, keys: ServerKeys, clients: int | None = None, trainings: int = 1) -> Iterator[Site]:
    """Let terminals in at `address` (HOST:PORT) while the block runs, or until its last federated training is done.

    A block that fails takes no leave: terminals then try again for a while, and find the server that goes on.

    Raises:
        UserError: the address is none.
        MachineError: the port cannot be had, or Flower is not installed.
    """
    with ExitStack() as doors:
        site = Site(doors.enter_context(superlink(address, keys)), keys, clients, trainings, doors)
        token = SITE.set(site)
        try:
            yield site
            close(site)
        finally:
            SITE.reset(token)


def site() -> Site:
    """The place where terminals are met.

    Raises:
        UserError: the recipe runs without one.
    """
    found = SITE.get()
    if found is None:
        remedy = 'run it with `tinyc federate serve RECIPE --keys DIR`, or set engine = "simulation"'
        raise UserError("federate.engine", '"deployment" needs terminals, and nobody listens for them', remedy)
    return found


def run(server: Server) -> Finished:
    """Train all rounds on the terminals that join; waits for them first.

    Raises:
        MachineError: too few came in `options.timeout` seconds, or `rounds.run` raised it.
    """
    from tinyc.federation import rounds
    from tinyc.federation.deployment_opening import opened as in_the_clear

    here = site()
    wanted = here.clients or server.options.min_clients
    gather(here, wanted, server.options.timeout, server.progress)
    grid = LinkGrid(here.link)
    finished = in_the_clear(server, grid, rounds.run(replace(server, clients=wanted), grid))
    here.trainings -= 1
    if here.trainings == 0:
        close(here)
    return finished


def gather(here: Site, wanted: int, seconds: float, progress: Progress) -> None:
    """Wait until enough terminals are connected, and say who comes and goes.

    Raises:
        MachineError: too few came in time.
    """
    ends = time.monotonic() + seconds
    progress.say(f"federate: listening on {here.link.address}, waiting for {wanted} terminals (tinyc federate join)")
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
        time.sleep(LOOK_SECONDS)


def close(here: Site) -> None:
    """Tell the terminals that all is done, wait until they have left, and let nobody in again."""
    from flwr.app import Message, RecordDict

    grid: Any = LinkGrid(here.link)
    there = grid.get_node_ids()
    grid.push_messages(Message(RecordDict(), node, DONE) for node in there)
    ends = time.monotonic() + FAREWELL_SECONDS
    while here.link.present() and there and time.monotonic() < ends:
        time.sleep(LOOK_SECONDS)
    here.doors.close()
