"""A client as Flower knows it: it says who it is, takes the job once, trains a round, protects what it sends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import UserError
from tinyc.federation import flower, memory, protection, questions, records

if TYPE_CHECKING:
    from tinyc.data.dataset import TrainingData
    from tinyc.federation.job import Job
    from tinyc.federation.local import Trained

JOBS: dict[str, Job] = {}
"""Jobs that this process has met, by SHA-256."""
JOBS_KEPT = 4
ASK_NAME = "query.name"
NEEDS_JOB = "needs-job"


@dataclass(frozen=True)
class Workplace:
    """Where a client works.

    Attributes:
        name: the client's name, from Flower's context of the node.
        data: the client's own examples for a job; asked every round, so a place that reads files keeps them itself.
        protections: what the client does to its update before it leaves, in order.
        memory: a folder for what a client keeps to itself between rounds; without one Flower keeps it, for one run.
        accept: raises UserError where the client refuses a job, before anything of it is done.
        train: what trains a round, of the form of `local.train`, which it is by default.
    """

    name: Callable[[Any], str]
    data: Callable[[Job, Any], TrainingData]
    protections: Callable[[Job], tuple[protection.Outgoing, ...]] = lambda job: ()
    memory: Path | None = None
    accept: Callable[[Job], None] = lambda job: None
    train: Callable[..., Trained] | None = None


def client_app(workplace: Workplace, mods: Sequence[Any] = ()) -> Any:
    """Make the ClientApp that trains `workplace`'s examples when the server says so; `mods` are Flower's, for TRAIN.

    A TRAIN message carries {"arrays", "config": {"server-round", "job-sha256", "job" at first}}; the answer is
    {"arrays", "metrics": {"num-examples", "loss", ...}}, or {"config": {"needs-job": 1}} of a node that does not have
    the job (it was started anew) and gets the message again with it.
    """
    flower.settle()
    from flwr.app import ConfigRecord, Message, RecordDict
    from flwr.clientapp import ClientApp

    app = ClientApp()

    @app.query("name")
    def name(message: Any, context: Any) -> Any:
        return Message(RecordDict({"config": ConfigRecord({"client": workplace.name(context)})}), reply_to=message)

    @app.train(mods=list(mods))
    def train(message: Any, context: Any) -> Any:
        job = known_job(message.content)
        if job is None:
            return Message(RecordDict({"config": ConfigRecord({NEEDS_JOB: 1})}), reply_to=message)
        return Message(train_round(workplace, job, message.content, context), reply_to=message)

    return app


def train_round(workplace: Workplace, job: Job, content: Any, context: Any) -> Any:
    """Train one round and give the answer's records."""
    from flwr.app import MetricRecord, RecordDict

    from tinyc.federation import local

    workplace.accept(job)
    asked = questions.of_round(content)
    train = workplace.train or local.train
    round, client, chain = asked.round, workplace.name(context), workplace.protections(job)
    received = protection.opened(chain, asked.sealed, round, client) if asked.sealed else asked.arrays
    kept = memory.recall(workplace.memory, context, client, round)
    trained = train(job, received, round, client, workplace.data(job, context), kept)
    memory.keep(workplace.memory, context, client, round, trained.kept)
    leaving = protection.protect(chain, received, trained, round, client)
    metrics: dict[str, Any] = {"num-examples": trained.examples, **trained.metrics}
    return RecordDict({"arrays": records.packed(leaving), "metrics": MetricRecord(metrics)})


def known_job(content: Any) -> Job | None:
    """Give the job that a message speaks of: this process's own, else the one that the message carries.

    Raises:
        UserError: the job cannot be read, or is not the one that was announced.
    """
    from tinyc.federation.job import Job

    sha256 = questions.text(content, "job-sha256")
    carried = content["config"].get("job")
    if sha256 not in JOBS and isinstance(carried, bytes):
        job = Job.from_bytes(carried)
        if job.sha256 != sha256:
            problem = f"announces the job {sha256[:80]!r} and sends {job.sha256!r}"
            raise UserError(questions.WHERE, problem, questions.REMEDY)
        while len(JOBS) >= JOBS_KEPT:
            JOBS.pop(next(iter(JOBS)))
        JOBS[sha256] = job
    return JOBS.get(sha256)
