"""One round's messages: who is there, to each client the weights, and the job once; from each an answer, or why not."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tinyc.core.errors import MachineError
from tinyc.federation import tensors
from tinyc.federation.flower import messages
from tinyc.federation.flower.messages import Answers, Content, Failure, Transport, content
from tinyc.federation.rounds.server import Server
from tinyc.federation.server.checks import wrong_figures
from tinyc.federation.updates import Answer, Arrays, Rejected, Updates

PAUSE = 0.2
"""Seconds between two looks at who is connected."""
READ = ("num-examples", "loss")
"""Metrics with a meaning of their own; others are kept as the client's."""


@dataclass
class Meter:
    """A transport that counts the bytes of what passes."""

    transport: Transport
    down: int = 0
    up: int = 0

    def present(self) -> Mapping[int, str]:
        """Name the connected clients, by node."""
        return self.transport.present()

    def ask(self, kind: str, contents: Mapping[int, Content], seconds: float) -> Answers:
        """Send, wait, and count both ways."""
        self.down += sum(map(messages.size_bytes, contents.values()))
        answers = self.transport.ask(kind, contents, seconds)
        self.up += sum(messages.size_bytes(each) for each in answers.values() if not isinstance(each, Failure))
        return answers


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
    return sorted(sorted(names), key=lambda name: hashlib.sha256(f"{seed}/{round}/{name}".encode()).digest())[:count]


def train(
    server: Server, transport: Transport, chosen: Mapping[str, int], round: int, weights: Arrays, have_job: set[int]
) -> Updates:
    """Send the weights to the chosen clients, wait `options.timeout` seconds, and give what came back.

    Args:
        chosen: nodes by the clients' names.
        have_job: nodes that were sent the job already.
    """
    block, settings = tensors.packed(weights), {"server-round": round, "job-sha256": server.job.sha256}
    plain, whole = content(block, settings), content(block, {**settings, "job": server.job.to_bytes()})
    # Under masks the job goes with every round, since a node that asked for it would be out of the protocol.
    asked = {node: plain if node in have_job and not server.unmask else whole for node in chosen.values()}
    if server.unmask:
        answers = server.unmask.ask(transport, asked, server.options.timeout)
    else:
        answers = with_job(transport, asked, whole, server.options.timeout)
    found = [read(client, answers.get(chosen[client]), server.options.timeout) for client in sorted(chosen)]
    return Updates(
        round,
        weights,
        server.clear(weights, round - 1) or server.arrays,
        tuple(each for each in found if isinstance(each, Answer)),
        tuple(each for each in found if isinstance(each, Rejected)),
    )


def with_job(transport: Transport, asked: Mapping[int, Content], whole: Content, seconds: float) -> Answers:
    """Ask, and once more with the job those nodes that were started anew and do not have it."""
    end = time.monotonic() + seconds
    answers = transport.ask(messages.TRAIN, asked, seconds)
    lacking = [node for node, each in answers.items() if needs_job(each)]
    if not lacking:
        return answers
    left = {node: each for node, each in answers.items() if node not in lacking}
    return left | transport.ask(messages.TRAIN, dict.fromkeys(lacking, whole), max(1.0, end - time.monotonic()))


def needs_job(answer: Content | Failure) -> bool:
    """Say whether a client asks for the job."""
    return not isinstance(answer, Failure) and messages.NEEDS_JOB in messages.config_of(answer)


def read(client: str, answer: Content | Failure | None, seconds: float) -> Answer | Rejected:
    """Take from an answer what was asked for; its weights are opened by the server's first steps."""
    if answer is None:
        return Rejected(client, f"no answer within {seconds:g} s")
    if isinstance(answer, Failure):
        return Rejected(client, answer.why)
    if needs_job(answer):
        return Rejected(client, "it asks for the job, although it was sent")
    metrics, block = messages.metrics_of(answer), messages.weights_of(answer)
    if why := wrong_figures(metrics):
        return Rejected(client, why)
    if metrics is None or block is None:
        return Rejected(client, "it has no weights")
    figures = {
        name: value for name, value in metrics.items() if isinstance(value, int | float) and abs(value) < math.inf
    }
    others = {name: value for name, value in figures.items() if name not in READ}
    return Answer(client, block, int(metrics["num-examples"]), float(metrics["loss"]), others)
