"""Who is there, and who of them trains in a round."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable

from tinyc.core.errors import MachineError
from tinyc.federation.flower.messages import Transport

PAUSE = 0.2
"""Seconds between two looks at who is connected."""


def present(transport: Transport, least: int, seconds: float) -> dict[str, int]:
    """Wait until `least` clients are connected, so many seconds at most; give their nodes by name.

    Raises:
        MachineError: fewer came.
    """
    end = time.monotonic() + seconds
    while True:
        found = {name: node for node, name in transport.present().items()}
        if len(found) >= least:
            return found
        if time.monotonic() > end:
            named = f" ({', '.join(sorted(found))} are)" if found else ""
            problem = f"{len(found)} clients are connected after {seconds:g} s, and {least} are needed{named}"
            remedy = "start the others, or lower min_clients or clients; the finished rounds are kept"
            raise MachineError("federate", problem, remedy)
        time.sleep(PAUSE)


def drawn(names: Iterable[str], count: int, seed: int, round: int) -> list[str]:
    """Draw `count` clients without replacement, by seed and round alone: each name's place in a round is a hash.

    So the draw is uniform, the same on every machine, and hardly changed by a client that is away.
    """
    return sorted(sorted(names), key=lambda name: lot(seed, round, name))[:count]


def lot(seed: int, round: int, name: str) -> bytes:
    """Give a name's place in the draw of a round."""
    return hashlib.sha256(f"{seed}/{round}/{name}".encode()).digest()
