"""Who is there: nodes of a grid by their clients' names, and who of them trains in a round."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import MachineError
from tinyc.federation.apps import ASK_NAME

if TYPE_CHECKING:
    from tinyc.federation.server import Server

PAUSE = 0.2
"""Seconds between two looks at who is connected."""
NAME_SECONDS = 120.0
"""Seconds that new nodes have to say who they are; those that do not are asked again in the next round."""
NAME_LENGTH = 200


@dataclass(frozen=True)
class Nodes:
    """What is known of nodes, by id: their clients' names, who is not listened to, and who has the job."""

    names: dict[int, str] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    have_job: set[int] = field(default_factory=set)


def present(server: Server, grid: Any, nodes: Nodes, least: int) -> dict[str, int]:
    """Wait until `least` named clients are connected, `options.timeout` seconds at most; give their node ids by name.

    Raises:
        MachineError: fewer came.
    """
    end = time.monotonic() + server.options.timeout
    while True:
        connected = set(grid.get_node_ids())
        introduce(server, grid, nodes, connected)
        found = {nodes.names[node]: node for node in connected if node in nodes.names}
        if len(found) >= least:
            return found
        if time.monotonic() > end:
            raise MachineError(
                "federate",
                f"{len(found)} clients are connected after {server.options.timeout:g} s, and {least} are needed"
                + (f" ({', '.join(sorted(found))} are)" if found else ""),
                "start the others, or lower min_clients or clients; the finished rounds are kept",
            )
        time.sleep(PAUSE)


def introduce(server: Server, grid: Any, nodes: Nodes, connected: set[int]) -> None:
    """Learn the names of new nodes: from a grid that knows them, else from the nodes themselves.

    A name that a connected node has already is refused, and said.
    """
    from flwr.app import Message, RecordDict

    if hasattr(grid, "client_names"):
        nodes.names.update(grid.client_names())
        return
    new = sorted(connected - set(nodes.names) - nodes.refused)
    if not new:
        return
    questions = [Message(RecordDict(), node, ASK_NAME) for node in new]
    seconds = min(NAME_SECONDS, server.options.timeout)
    answers = {each.metadata.src_node_id: each for each in grid.send_and_receive(questions, timeout=seconds)}
    for node in new:
        why = welcome(nodes, connected, node, answers.get(node))
        if why:
            server.progress.say(f"node {node} is left out: {why}")


def welcome(nodes: Nodes, connected: set[int], node: int, answer: Any) -> str | None:
    """Enter one node's answer; gives why it is left out, or None."""
    if answer is None or answer.has_error():
        return "it did not say who it is" + (f": {answer.error.reason}" if answer is not None else "")
    name = answer.content.get("config", {}).get("client")
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
        nodes.refused.add(node)
        return "its name is not a line of text"
    if any(known == name and other in connected for other, known in nodes.names.items()):
        nodes.refused.add(node)
        return f"it says that it is {name!r}, who is connected already"
    nodes.names[node] = name
    return None


def drawn(names: Iterable[str], count: int, seed: int, round: int) -> list[str]:
    """Draw `count` clients without replacement, by seed and round alone: each name's place in a round is a hash.

    So the draw is uniform, the same on every machine, and hardly changed by a client that is away.
    """
    return sorted(sorted(names), key=lambda name: lot(seed, round, name))[:count]


def lot(seed: int, round: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}/{round}/{name}".encode()).digest()


@dataclass(frozen=True)
class Table:
    """The part of a grid that a strategy sees in a round: the drawn clients' nodes, in order of their names."""

    nodes: Mapping[str, int]
    grid: Any

    def get_node_ids(self) -> list[int]:
        return [self.nodes[name] for name in sorted(self.nodes)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.grid, name)
