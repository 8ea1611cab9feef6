"""The end of a training under encryption: the terminals, which alone have the key, open the network for the server.

The server learns the average of the last round, which it is to export; no update is opened. It asks every terminal that
is there and takes the median of what they say, so that one of three that lies changes nothing.

Who has a ciphertext beside exactly what it opens to may compute the key, since the errors of CKKS depend on it (Li and
Micciancio, "On the security of homomorphic encryption on approximate numbers", Eurocrypt 2021). So terminals round what
they open to a grid that is a thousand times coarser than those errors; all round alike, so nothing averages out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import exchange, tensors
from tinyc.federation.client import request
from tinyc.federation.flower.messages import OPEN, Content, Failure, Transport, content, weights_of
from tinyc.federation.rounds.server import Finished, Server
from tinyc.federation.server.checks import read_arrays
from tinyc.federation.updates import Arrays, Outgoing, is_sealed

SECONDS = 600.0
GRID = 2.0**-16


def opened(server: Server, transport: Transport, finished: Finished) -> Finished:
    """Let terminals open what is encrypted; weights in the clear are given as they are.

    Raises:
        MachineError: no terminal that is there could.
    """
    if not is_sealed(finished.weights):
        return finished
    answers = asked(server, transport, finished)
    weights = {name: np.median([each[name] for each in answers.values()], axis=0) for name in server.arrays}
    arrays = {name: np.asarray(array, np.float32) for name, array in weights.items()}
    return Finished(arrays, {**finished.facts, "opened_by": sorted(answers)})


def asked(server: Server, transport: Transport, finished: Finished) -> dict[str, Arrays]:
    """Ask all terminals that are there; give the weights by terminal."""
    settings = {"job-sha256": server.job.sha256, "rounds": len(finished.facts["rounds"])}
    names, question = transport.present(), content(tensors.packed(finished.weights), settings)
    found: dict[str, Arrays] = {}
    whys = []
    for node, answer in transport.ask(OPEN, dict.fromkeys(names, question), SECONDS).items():
        read = weights_in(answer, server.arrays)
        if isinstance(read, str):
            whys.append(f"{names[node]}: {read}")
        else:
            found[names[node]] = read
    if not found:
        problem = "the rounds are done, and no terminal opened their result" + (f" ({'; '.join(whys)})" if whys else "")
        raise MachineError("federate", problem, "run it again, and let terminals stay until the server is done")
    return found


def weights_in(answer: Content | Failure, like: Arrays) -> Arrays | str:
    """Give what a terminal opened, or why it cannot be used."""
    if isinstance(answer, Failure):
        return answer.why
    block = weights_of(answer)
    # The network may have gone any way from where it began: its size is no reason to refuse it.
    return "it has no weights" if block is None else read_arrays(block, like, float("inf"))


def name_of(weights: Arrays) -> str:
    """Name what is asked to be opened by its content."""
    return hashlib.sha256(tensors.packed(weights)).hexdigest()


def answer(steps: tuple[Outgoing, ...], asked: Content, last: int, client: str, say: Callable[[str], None]) -> Content:
    """Open the network after the rounds that a terminal took part in, and say so; its end of `opened`.

    Raises:
        UserError: it is asked for rounds before its own last one, or has no key.
    """
    rounds = request.setting(asked, "rounds", int)
    if rounds < last:
        raise UserError(client, f"is asked to open round {rounds} after round {last}", "an honest server never asks")
    arrays = exchange.opened(steps, request.weights(asked), rounds, client)
    say(f"{client}: opened the network after round {rounds} for the server")
    coarse = {name: (np.round(array / GRID) * GRID).astype(np.float32) for name, array in arrays.items()}
    return content(tensors.packed(coarse))
