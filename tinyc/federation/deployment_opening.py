"""The end of a training under encryption: the terminals, which alone have the key, open the network for the server.

The server learns the average of the last round, which it is to export; no update is opened. It asks every terminal that
is there and takes the median of what they say, so that one of three that lies changes nothing.

Who has a ciphertext beside exactly what it opens to may compute the key, since the errors of CKKS depend on it (Li and
Micciancio, "On the security of homomorphic encryption on approximate numbers", Eurocrypt 2021). So terminals round what
they open to a grid that is a thousand times coarser than those errors; all round alike, so nothing averages out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import MachineError, UserError

if TYPE_CHECKING:
    from tinyc.federation.deployment_grid import LinkGrid
    from tinyc.federation.job import Job
    from tinyc.federation.protection import Outgoing
    from tinyc.federation.server import Finished, Server

OPEN = "open"
SECONDS = 600.0
GRID = 2.0**-16


def opened(server: Server, grid: LinkGrid, finished: Finished) -> Finished:
    """Let terminals open what is sealed; weights in the clear are given as they are.

    Raises:
        MachineError: no terminal that is there could.
    """
    if not any(isinstance(array, bytes) for array in finished.arrays.values()):
        return finished
    import numpy as np

    answers = asked(server, grid, finished)
    weights = {name: np.median([each[name] for each in answers.values()], axis=0) for name in server.arrays}
    arrays = {name: array.astype(np.float32) for name, array in weights.items()}
    return replace(finished, arrays=arrays, facts={**finished.facts, "opened_by": sorted(answers)})


def asked(server: Server, grid: LinkGrid, finished: Finished) -> dict[str, Any]:
    """Ask all terminals that are there; give the weights by terminal."""
    from flwr.app import ConfigRecord, Message, RecordDict

    from tinyc.federation import records, replies

    names = grid.client_names()
    config = ConfigRecord({"job-sha256": server.job.sha256, "rounds": len(finished.facts["rounds"])})
    content = RecordDict({"arrays": records.packed(finished.arrays), "config": config})
    sent = [Message(content, node, f"query.{OPEN}") for node in names]
    found, whys = {}, []
    for reply in grid.send_and_receive(sent, timeout=SECONDS):
        name = names[reply.metadata.src_node_id]
        # The network may have gone any way from where it began: its size is no reason to refuse it.
        why = reply.error.reason if reply.has_error() else replies.complaint(reply.content, server.arrays, float("inf"))
        if why:
            whys.append(f"{name}: {why}")
        else:
            found[name] = records.unpacked(reply.content["arrays"])
    if not found:
        problem = "the rounds are done, and no terminal opened their result" + (f" ({'; '.join(whys)})" if whys else "")
        raise MachineError("federate", problem, "run it again, and let terminals stay until the server is done")
    return found


def name_of(message: Any) -> str:
    """Name what is asked to be opened by its content."""
    from tinyc.federation import records

    total = hashlib.sha256()
    for name, value in sorted(records.sealed(message.content["arrays"]).items()):
        total.update(f"{name} {len(value)} ".encode() + value)
    return total.hexdigest()


def answer(
    job: Job, chain: tuple[Outgoing, ...], message: Any, last: int, client: str, say: Callable[[str], None]
) -> Any:
    """A terminal's end: open the network after the rounds that it took part in, and say so.

    Raises:
        UserError: it is asked for rounds before its own last one, or has no key.
    """
    import numpy as np
    from flwr.app import Message, RecordDict

    from tinyc.federation import protection, questions, records

    rounds = questions.number(message.content, "rounds")
    if rounds < last:
        raise UserError(client, f"is asked to open round {rounds} after round {last}", "an honest server never asks")
    # Round n + 1 begins with the network after round n.
    weights: Mapping[str, Any] = protection.opened(chain, records.sealed(message.content["arrays"]), rounds + 1, client)
    say(f"{client}: opened the network after round {rounds} for the server")
    coarse = {name: (np.round(array / GRID) * GRID).astype(np.float32) for name, array in weights.items()}
    return Message(RecordDict({"arrays": records.packed(coarse)}), reply_to=message)
