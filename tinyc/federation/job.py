"""What a client needs to know of a federated training, as one block of bytes without code and without pickles.

length of the header (8 bytes, big-endian) | header (JSON, UTF-8) | weights of the network (safetensors)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.data.signals.front import Front
from tinyc.data.task import Stream, Task
from tinyc.data.tokens import Tokenizer
from tinyc.federation import job_header
from tinyc.federation.job_header import TaskTable
from tinyc.network import architecture, checks
from tinyc.network.state import Net
from tinyc.spec.federation import FederationOptions

HEADER = 8
VERSION = 2
WHERE = "federated job"


@dataclass(frozen=True)
class Network:
    """The network that the first round begins with: its architecture as JSON, its weights as safetensors."""

    architecture: str = field(repr=False)
    weights: bytes = field(repr=False)


@dataclass(frozen=True)
class Job:
    """A federated training as its clients get it.

    Attributes:
        options: the keys of the pass.
        seed: all randomness of a client comes from it, the round and the client's name.
        task: what the network is asked, and how raw examples become its inputs.
        data: `[data]` of the recipe as JSON, for a client that reads examples of its own; "" where nobody needs it.
        ranges: for training under int8 rounding, the lowest and highest value of each quantizer.
        noise: for client-level privacy, the noise multiplier that the server or the clients draw with.
        per_channel: for training transformers under int8 rounding, whether Dense layers get a scale for each output.
    """

    options: FederationOptions
    seed: int
    network: Network = field(repr=False)
    task: Task
    data: str = field(default="", repr=False)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict, repr=False)
    noise: float | None = None
    per_channel: bool = False

    def to_bytes(self) -> bytes:
        """Write the job down; equal jobs give equal bytes."""
        table = {name: getattr(self, name) for name in ("seed", "data", "noise", "per_channel")} | {
            "version": VERSION,
            "options": self.options.model_dump(mode="json"),
            "architecture": self.network.architecture,
            "task": task_table(self.task),
            "ranges": dict(self.ranges),
        }
        header = json.dumps(table, sort_keys=True).encode()
        return len(header).to_bytes(HEADER, "big") + header + self.network.weights

    @classmethod
    def from_bytes(cls, content: bytes) -> Job:
        """Read a job; nothing in it is run.

        Raises:
            UserError: it is damaged, or of another version of tinyc.
        """
        try:
            end = HEADER + int.from_bytes(content[:HEADER], "big")
            if not HEADER < end <= len(content) <= limits.JOB_BYTES:
                raise ValueError(f"{len(content)} bytes with a header of {end - HEADER}")
            header = job_header.read(content[HEADER:end], VERSION)
        except ValueError as error:
            remedy = "run the same version of tinyc on the server and on every client"
            raise UserError(WHERE, f"cannot be read: {error}", remedy) from error
        given = dict(header)
        network = Network(given.pop("architecture"), content[end:])
        return cls(**given | {"network": network, "task": task_of(header.task)})

    @cached_property
    def sha256(self) -> str:
        """Name the job by its content."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def task_table(task: Task) -> dict[str, Any]:
    """Write a task as JSON values."""
    words = task.tokenizer
    return {name: getattr(task, name) for name in TaskTable.model_fields} | {
        "tokenizer": words and [words.definition, words.length, words.origin],
        "front": task.front and task.front.to_json(),
        "stream": task.stream and asdict(task.stream),
    }


def task_of(table: TaskTable) -> Task:
    """Read what `task_table` wrote."""
    given = dict(table) | {
        "tokenizer": table.tokenizer and Tokenizer(*table.tokenizer),
        "front": table.front and Front.from_json(table.front, WHERE),
        "stream": table.stream and Stream(**dict(table.stream)),
    }
    return Task(**given)


def network_of(model: Any) -> Network:
    """Write a network down for a job.

    Raises:
        UserError: a layer of the recipe's own files is in it, which clients could only read by running code, or it
            cannot be described.
    """
    own = next((layer for layer in model.layers if not checks.of_a_library(type(layer).__module__)), None)
    if own is not None:
        problem = f"layer {own.name!r} is a {type(own).__name__} of your own code, which clients do not get"
        raise UserError("federate", problem, "build the network from Keras' layers and from tinyc.network.blocks")
    try:
        return Network(*architecture.described(model))
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UserError("federate", f"the network cannot be sent: {error}", "use layers that Keras stores") from error


def read_network(job: Job) -> Net:
    """Build the network of a job.

    Raises:
        UserError: it is none, it carries code, or it is one for another task.
    """
    model = architecture.built(job.network.architecture, job.network.weights, WHERE)
    return Net(checks.fit_to_task(model, job.task, WHERE), job.task, ranges=dict(job.ranges))
