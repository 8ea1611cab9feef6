"""A client's end of a round, from the request to the answer.

request --> the job, once --> open --> train on its own examples --> the steps of `exchange.at_client` --> answer
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyc.core.errors import UserError
from tinyc.data.dataset import TrainingData
from tinyc.federation import exchange, tensors
from tinyc.federation.client import local_training, memory, request
from tinyc.federation.client.local_training import Trained
from tinyc.federation.flower import masks
from tinyc.federation.flower.messages import NEEDS_JOB, Content, config_of, content
from tinyc.federation.job import Job
from tinyc.federation.updates import Outgoing, Update

JOBS: dict[str, Job] = {}
"""Jobs that this process was sent, by SHA-256."""
JOBS_KEPT = 4


@dataclass(frozen=True)
class Client:
    """One client of a simulation.

    Attributes:
        data: its own examples.
        key: the clients' key for encryption, where the training asks for it.
        memory: a folder for what a client keeps to itself between rounds; without one it is kept for one run.
    """

    name: str
    data: TrainingData = field(repr=False)
    key: bytes | None = field(default=None, repr=False)
    memory: Path | None = None

    def answer(self, asked: Content, node: int, state: Content) -> Content:
        """Answer a message; `state` is what this node keeps in memory for as long as the run lasts."""
        if masks.is_stage(asked):  # under masks a round has four stages, of which the third trains
            return masks.stage(asked, node, state, lambda inner: self.train(inner, state))
        return self.train(asked, state)

    def train(self, asked: Content, state: Content) -> Content:
        """Train a round on its own examples."""
        return train(
            asked, lambda job: Place(job, self.name, self.data, exchange.at_client(job, self.key), state, self.memory)
        )


@dataclass(frozen=True)
class Place:
    """Where a job is trained: whose examples, what is done to an update, and where what stays is kept."""

    job: Job
    client: str
    data: TrainingData = field(repr=False)
    steps: tuple[Outgoing, ...]
    state: Content
    memory: Path | None = None
    train: Callable[..., Trained] = local_training.train


def train(asked: Content, place_of: Callable[[Job], Place]) -> Content:
    """Train one round, and give the answer: the update behind all steps, and its figures in the clear.

    Without its job, ask for that.
    """
    job = known_job(asked)
    if job is None:
        return content(config={NEEDS_JOB: 1})
    place, round = place_of(job), request.setting(asked, "server-round", int)
    before = exchange.opened(place.steps, request.weights(asked), round - 1, place.client)
    kept = memory.recall(place.memory, place.state, place.client, round)
    trained = place.train(job, before, round, place.client, place.data, kept)
    memory.keep(place.memory, place.state, place.client, round, trained.kept)
    update = Update(place.client, round, before, trained.arrays, trained.examples)
    for step in place.steps:
        update = step(update)
    figures: dict[str, Any] = {"num-examples": trained.examples, **trained.metrics}
    return content(tensors.packed(update.weights), metrics=figures)


def known_job(asked: Content) -> Job | None:
    """Give the job that a message speaks of: this process's own, else the one that the message carries.

    Raises:
        UserError: the job cannot be read, or is not the one that was announced.
    """
    sha256, carried = request.setting(asked, "job-sha256", str), config_of(asked).get("job")
    if sha256 not in JOBS and isinstance(carried, bytes):
        job = Job.from_bytes(carried)
        if job.sha256 != sha256:
            problem = f"announces the job {sha256[:80]!r} and sends {job.sha256!r}"
            raise UserError(request.WHERE, problem, request.REMEDY)
        while len(JOBS) >= JOBS_KEPT:
            JOBS.pop(next(iter(JOBS)))
        JOBS[sha256] = job
    return JOBS.get(sha256)
