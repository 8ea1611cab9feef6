"""What runs on a terminal: it waits for the server's rounds, trains on its own examples, and sends what it learnt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import MachineError
from tinyc.federation import (
    deployment_opening,
    questions,
    terminal_account,
    terminal_consent,
    terminal_data,
    terminal_protection,
)
from tinyc.federation.certificates import ClientKeys
from tinyc.federation.deployment import DONE
from tinyc.federation.terminal_link import POLL_SECONDS, Lost, Wire, connected

if TYPE_CHECKING:
    from tinyc.data.dataset import TrainingData
    from tinyc.federation.job import Job
    from tinyc.federation.protection import Outgoing

Say = Callable[[str], None]
TROUBLE = "the terminal cannot take part; what is wrong is said there"


@dataclass(frozen=True)
class Terminal:
    """A terminal: the server's HOST:PORT, its own keys and examples, and how often it tries to reach the server."""

    server: str
    keys: ClientKeys
    data: Path
    retries: int


def join(terminal: Terminal, say: Say) -> None:
    """Take part until the server says that all is done, or has gone after the last round.

    Raises:
        UserError: the server does not know the key, or the data does not fit.
        MachineError: the server cannot be reached, or was lost in the middle of the training.
    """
    terminal_data.look(terminal.data)
    seat = Seat(terminal, say)
    say(f"{terminal.keys.name}: connecting to {terminal.server}")
    fruitless = 0
    while True:
        answered = seat.answered
        try:
            with connected(terminal.server, terminal.keys, terminal.retries, say) as wire:
                say(f"{terminal.keys.name}: connected, waiting for rounds")
                seat.serve(wire)
            say(f"{terminal.keys.name}: the server is done")
            return
        except Lost as error:
            fruitless = fruitless + 1 if seat.answered == answered else 0
            if fruitless > terminal.retries:
                problem = f"takes this terminal in and ends every connection: {error}"
                raise MachineError(f"--server {terminal.server}", problem, "see what the server says") from error
            say(f"{terminal.keys.name}: lost the server ({error}); connecting again")
            time.sleep(POLL_SECONDS)
        except MachineError:
            if not seat.was_last():
                raise
            say(f"{terminal.keys.name}: the server has gone after the last round")
            return


class Seat:
    """A terminal's place in a training; holds what outlives a connection: examples read, and how far it came."""

    def __init__(self, terminal: Terminal, say: Say) -> None:
        from tinyc.federation import apps

        self.terminal, self.say = terminal, say
        self.examples: dict[str, TrainingData] = {}
        self.chains: dict[str, tuple[Outgoing, ...]] = {}
        self.round = self.rounds = self.answered = 0
        account = terminal_account.Account(terminal.keys.folder / terminal_account.SPENT)
        place = apps.Workplace(
            lambda context: terminal.keys.name, self.data, self.protections,
            accept=terminal_consent.accept, train=account.train,
        )  # fmt: skip
        self.app = apps.client_app(place)
        self.app.query(deployment_opening.OPEN)(self.open)
        self.context: Any = None
        self.job: Job | None = None
        self.opened: str | None = None

    def serve(self, wire: Wire) -> None:
        """Answer messages until the server says that all is done."""
        while True:
            message = wire.receive()
            if message is None:
                time.sleep(POLL_SECONDS)
            elif message.metadata.message_type == DONE:
                return
            else:
                self.answer(wire, message)

    def answer(self, wire: Wire, message: Any) -> None:
        """Make one reply and send it; of a failure the server learns that there was one, and nothing of this place."""
        from flwr.app import Error, Message
        from flwr.common.constant import ErrorCode

        began = time.monotonic()
        try:
            reply = self.app(message, self.context_of(message))
        except Exception as error:
            trouble = Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason=TROUBLE)
            wire.reply(Message(trouble, reply_to=message), 0.0)
            raise questions.failed(error) from error
        seconds = time.monotonic() - began
        wire.reply(reply, seconds)
        self.answered += 1
        self.tell(message, reply, seconds)

    def context_of(self, message: Any) -> Any:
        """Flower's memory of this terminal, the same in every round."""
        from flwr.app import Context, RecordDict

        if self.context is None:
            meta = message.metadata
            self.context = Context(meta.run_id, meta.dst_node_id, {}, RecordDict(), {}, series_id=0)
        return self.context

    def tell(self, message: Any, reply: Any, seconds: float) -> None:
        """Say what one round was, in a line."""
        from tinyc.core.units import show_bytes
        from tinyc.federation import records

        metrics = reply.content.metric_records.get("metrics") if reply.has_content() else None
        if metrics is None:
            return
        self.round = int(message.content["config"]["server-round"])
        sent = show_bytes(records.size_bytes(reply.content))
        self.say(
            f"round {self.round} of {self.rounds}: {metrics['num-examples']} examples, loss {metrics['loss']:.4g}, "
            f"{sent} sent, {seconds:.1f} s"
        )

    def was_last(self) -> bool:
        return 0 < self.rounds <= self.round

    def data(self, job: Job, context: Any) -> TrainingData:
        """Read this terminal's examples, once a job."""
        if job.sha256 not in self.examples:
            self.say(terminal_consent.told(job))
            found = terminal_data.read(job, self.terminal.data, self.say)
            self.say(f"{self.terminal.data}: {len(found.train)} examples of {len(job.task.classes)} classes")
            self.examples = {job.sha256: found}
        if self.job is None or self.job.sha256 != job.sha256:
            self.job, self.opened, self.rounds, self.round = job, None, job.options.rounds, 0
        return self.examples[job.sha256]

    def open(self, message: Any, context: Any) -> Any:
        """Open the final network, and nothing else: what else a server asks to be opened may be another's update.

        A server that was killed before it could keep the answer may ask for the same once more.
        """
        asked = deployment_opening.name_of(message)
        if self.job is None or self.opened not in (None, asked):
            return self.refusal(message, "it was asked to open what it did not train, or another network, and did not")
        job, self.opened = self.job, asked
        return deployment_opening.answer(
            job, self.protections(job), message, self.round, self.terminal.keys.name, self.say
        )

    def refusal(self, message: Any, why: str) -> Any:
        from flwr.app import Error, Message
        from flwr.common.constant import ErrorCode

        self.say(f"{self.terminal.keys.name}: {why}")
        return Message(Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason=why), reply_to=message)

    def protections(self, job: Job) -> tuple[Outgoing, ...]:
        """What is done to an update before it leaves, made once a job."""
        if job.sha256 not in self.chains:
            self.chains = {job.sha256: terminal_protection.protections(job, self.terminal.keys.folder)}
        return self.chains[job.sha256]
