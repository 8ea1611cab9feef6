"""A transport to clients in Ray's worker processes, on this machine or a cluster.

This module imports Ray; so it is imported by the engine "simulation" alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ray
from ray.exceptions import RayError

from tinyc.federation.client.request import first_line
from tinyc.federation.client.round import Client
from tinyc.federation.flower.messages import Answers, Content, Failure, content


class Simulated:
    """Clients as the nodes 1, 2, ...; a message to one is a task of Ray's.

    Clients and messages go into Ray's object store, so each lies in memory once a machine. What a node keeps goes with
    its tasks.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self.names = {node: client.name for node, client in enumerate(clients, start=1)}
        self.clients = {node: ray.put(client) for node, client in enumerate(clients, start=1)}
        self.states = {node: content() for node in self.names}

    def present(self) -> Mapping[int, str]:
        """Name all clients, by node."""
        return self.names

    def ask(self, kind: str, contents: Mapping[int, Content], seconds: float) -> Answers:
        """Run as many clients at once as there are workers; what one raises is its answer, and who is late is ended."""
        distinct = {id(each): each for each in contents.values()}
        sent = {number: ray.put(each) for number, each in distinct.items()}
        tasks = {
            answer.remote(self.clients[node], sent[id(asked)], node, self.states[node]): node
            for node, asked in contents.items()
        }
        done, late = ray.wait(list(tasks), num_returns=len(tasks), timeout=seconds)
        for task in late:
            ray.cancel(task, force=True)  # its process, too: what hangs hears nothing else
        found: Answers = {}
        for task in done:
            node = tasks[task]
            try:
                found[node], self.states[node] = ray.get(task)
            except RayError as error:
                found[node] = Failure(first_line(getattr(error, "cause", None) or error))
        return found


@ray.remote(num_cpus=1, max_retries=0)
def answer(client: Client, asked: Content, node: int, state: Content) -> tuple[Content, Content]:
    """Answer in a worker; gives what the node keeps, too."""
    return client.answer(asked, node, state), state
