"""A transport to clients in this process: no Ray, no network, one after the other; for tests and small federations."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from tinyc.federation.client.round import Client
from tinyc.federation.flower.messages import Answers, Content, Failure, content


class InProcess:
    """Clients as the nodes 1, 2, ...

    A client cannot be interrupted here: an answer that took longer than the timeout is thrown away, as one that comes
    too late elsewhere.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self.clients = dict(enumerate(clients, start=1))
        self.states = {node: content() for node in self.clients}

    def present(self) -> Mapping[int, str]:
        """Name all clients, by node."""
        return {node: client.name for node, client in self.clients.items()}

    def ask(self, kind: str, contents: Mapping[int, Content], seconds: float) -> Answers:
        """Run the clients in the order of their nodes; what one raises is its answer."""
        found: Answers = {}
        for node in sorted(contents):
            begin = time.monotonic()
            answer: Content | Failure
            try:
                answer = self.clients[node].answer(contents[node], node, self.states[node])
            except Exception as error:
                answer = Failure(next(iter(f"{type(error).__name__}: {error}".splitlines())))
            if time.monotonic() - begin <= seconds:
                found[node] = answer
        return found
