"""What runs on a terminal: it waits for the server's rounds, trains on its own examples, and sends what it learnt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyc.core.errors import MachineError, UserError
from tinyc.core.units import show_bytes
from tinyc.data import own_examples
from tinyc.federation import exchange
from tinyc.federation.client import request
from tinyc.federation.client import round as client_round
from tinyc.federation.client.round import Place
from tinyc.federation.flower import messages
from tinyc.federation.flower.fleet import Fleet, Lost, Received
from tinyc.federation.flower.messages import Content, Failure, content
from tinyc.federation.job import Job
from tinyc.federation.terminals import account, job_rules, opening
from tinyc.federation.terminals.connection import connected
from tinyc.federation.terminals.keys import ClientKeys, sealing_key

POLL_SECONDS = 1.0
TROUBLE = "the terminal cannot take part; what is wrong is said there"


@dataclass(frozen=True)
class Terminal:
    """A terminal: the server's HOST:PORT, its own keys and examples, and how often it tries to reach the server."""

    server: str
    keys: ClientKeys
    data: Path
    retries: int


def join(terminal: Terminal, say: Callable[[str], None]) -> None:
    """Take part until the server says that all is done, or has gone after the last round.

    Raises:
        UserError: the server does not know the key, or the data does not fit.
        MachineError: the server cannot be reached, or was lost in the middle of the training.
    """
    own_examples.look(terminal.data)
    here = Participation(terminal, say)
    say(f"{terminal.keys.name}: connecting to {terminal.server}")
    fruitless = 0
    while True:
        answered = here.answered
        try:
            with connected(terminal.server, terminal.keys, terminal.retries, say) as connection:
                say(f"{terminal.keys.name}: connected, waiting for rounds")
                here.serve(connection)
            say(f"{terminal.keys.name}: the server is done")
            return
        except Lost as error:
            fruitless = fruitless + 1 if here.answered == answered else 0
            if fruitless > terminal.retries:
                problem = f"accepts this terminal, and then ends every connection: {error}"
                raise MachineError(f"--server {terminal.server}", problem, "see what the server says") from error
            say(f"{terminal.keys.name}: lost the server ({error}); connecting again")
            time.sleep(POLL_SECONDS)
        except MachineError:
            if not here.was_last():
                raise
            say(f"{terminal.keys.name}: the server has gone after the last round")
            return


class Participation:
    """A terminal's part in a training; holds what outlives a connection: examples read, and how far it came."""

    def __init__(self, terminal: Terminal, say: Callable[[str], None]) -> None:
        self.terminal, self.say, self.name = terminal, say, terminal.keys.name
        self.account = account.Account(terminal.keys.folder / account.SPENT)
        self.state = content()
        self.place: Place | None = None
        self.opened: str | None = None
        self.round = self.answered = 0

    def serve(self, connection: Fleet) -> None:
        """Answer messages until the server says that all is done."""
        while True:
            received = connection.receive()
            if received is None:
                time.sleep(POLL_SECONDS)
            elif received.kind == messages.DONE:
                return
            else:
                self.reply(connection, received)

    def reply(self, connection: Fleet, received: Received) -> None:
        """Make one answer and send it; of a failure the server learns that there was one, and nothing of this place."""
        began = time.monotonic()
        try:
            answer = self.answer(received.kind, received.content)
        except Exception as error:
            connection.reply(received, Failure(TROUBLE), 0.0)
            raise request.failed(error) from error
        seconds = time.monotonic() - began
        connection.reply(received, answer, seconds)
        self.answered += 1
        self.tell(received.content, answer, seconds)

    def answer(self, kind: str, asked: Content) -> Content | Failure:
        """Do what a message asks for.

        Raises:
            UserError: it asks for something else than a round or the final network.
        """
        if kind == messages.TRAIN:
            return client_round.train(asked, self.take)
        if kind == messages.OPEN:
            return self.open_network(asked)
        raise UserError(request.WHERE, f"asks for {kind[:80]!r}, which no terminal does", request.REMEDY)

    def take(self, job: Job) -> Place:
        """Take a job, once: refuse what terminals do not do, then read this terminal's examples for it.

        Raises:
            UserError: it is refused, or the examples do not fit it.
        """
        if self.place is None or self.place.job.sha256 != job.sha256:
            job_rules.accept(job)
            key = sealing_key(self.terminal.keys.folder) if job.options.aggregation == "homomorphic" else None
            self.say(job_rules.told(job))
            examples = own_examples.read(job.data, job.task, self.terminal.data, self.say)
            self.say(f"{self.terminal.data}: {len(examples.train)} examples of {len(job.task.classes)} classes")
            steps = exchange.at_client(job, key)  # once: noise of its own keeps its source for the whole job
            self.place = Place(job, self.name, examples, steps, self.state, train=self.account.train)
            self.opened, self.round = None, 0
        return self.place

    def open_network(self, asked: Content) -> Content | Failure:
        """Open the final network, and nothing else: what else a server asks to be opened may be another's update.

        A server that was killed before it could keep the answer may ask for the same once more.
        """
        name = opening.name_of(request.weights(asked))
        if self.place is None or self.opened not in (None, name):
            why = "it was asked to open what it did not train, or another network, and did not"
            self.say(f"{self.name}: {why}")
            return Failure(why)
        self.opened = name
        return opening.answer(self.place.steps, asked, self.round, self.name, self.say)

    def tell(self, asked: Content, answer: Content | Failure, seconds: float) -> None:
        """Say what one round was, in a line."""
        metrics = None if isinstance(answer, Failure) else messages.metrics_of(answer)
        if isinstance(answer, Failure) or metrics is None or self.place is None:
            return
        self.round = int(messages.config_of(asked)["server-round"])
        self.say(
            f"round {self.round} of {self.place.job.options.rounds}: {metrics['num-examples']} examples, "
            f"loss {metrics['loss']:.4g}, {show_bytes(messages.size_bytes(answer))} sent, {seconds:.1f} s"
        )

    def was_last(self) -> bool:
        """Say whether the last round of the job is done."""
        return self.place is not None and 0 < self.place.job.options.rounds <= self.round
