"""What a client needs to know of a federated training, as one block of bytes without code and without pickles.

length of the header (8 bytes, big-endian) | header (JSON, UTF-8) | the network (HDF5 of Keras 2)
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.data.task import Stream, Task
from tinyc.data.tokens import Tokenizer
from tinyc.federation import job_header
from tinyc.federation.job_header import TaskTable
from tinyc.network.state import Net
from tinyc.network.storing import h5_bytes
from tinyc.spec.federation import FederationOptions

HEADER = 8
VERSION = 1


@dataclass(frozen=True)
class Job:
    """A federated training as its clients get it.

    Attributes:
        options: the keys of the pass.
        seed: all randomness of a client comes from it, the round and the client's name.
        network: the bytes of an .h5, the network that the first round begins with.
        task: what the network is asked, and how raw examples become its inputs.
        data: `[data]` of the recipe as JSON, for a client that reads examples of its own; "" where nobody needs it.
        ranges: for training under int8 rounding, the lowest and highest value of each quantizer.
        noise: for client-level privacy, the noise multiplier that the server or the clients draw with.
        per_channel: for training transformers under int8 rounding, whether Dense layers get a scale for each output.
    """

    options: FederationOptions
    seed: int
    network: bytes = field(repr=False)
    task: Task
    data: str = field(default="", repr=False)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict, repr=False)
    noise: float | None = None
    per_channel: bool = False

    def to_bytes(self) -> bytes:
        """Write the job down; equal jobs give equal bytes."""
        table = {
            "version": VERSION,
            "options": self.options.model_dump(mode="json"),
            "seed": self.seed,
            "task": task_table(self.task),
            "data": self.data,
            "ranges": {name: list(pair) for name, pair in self.ranges.items()},
            "noise": self.noise,
            "per_channel": self.per_channel,
        }
        header = json.dumps(table, sort_keys=True).encode()
        return len(header).to_bytes(HEADER, "big") + header + self.network

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
            raise UserError("federated job", f"cannot be read: {error}", remedy) from error
        return cls(
            header.options, header.seed, content[end:], task_of(header.task), header.data, header.ranges,
            header.noise, header.per_channel,
        )  # fmt: skip

    @cached_property
    def sha256(self) -> str:
        """Name the job by its content."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def task_table(task: Task) -> dict[str, Any]:
    """Write a task as JSON values."""
    words = task.tokenizer
    return {
        "classes": list(task.classes),
        "input_shape": list(task.input_shape),
        "metric": task.metric,
        "scale": task.scale,
        "offset": task.offset,
        "tokenizer": words and [words.definition, words.length, words.origin and list(words.origin)],
        "front": task.front and task.front.to_json(),
        "stream": task.stream and asdict(task.stream),
    }


def task_of(table: TaskTable) -> Task:
    """Read what `task_table` wrote."""
    front = None
    if table.front is not None:
        from tinyc.data.signals.front import Front

        front = Front.from_json(table.front, "federated job")
    words, stream = table.tokenizer, table.stream
    return Task(
        table.classes, table.input_shape, table.metric, table.scale, table.offset, words and Tokenizer(*words),
        front, Stream(stream.sensor_bytes, stream.decisions, stream.rate) if stream else None,
    )  # fmt: skip


def network_bytes(model: Any) -> bytes:
    """Write a network down as the bytes of an .h5.

    Raises:
        UserError: a layer of the recipe's own files is in it, which clients could only read by running code, or it
            cannot be stored.
    """
    own = [layer for layer in model.layers if not known(type(layer).__module__)]
    if own:
        problem = f"layer {own[0].name!r} is a {type(own[0]).__name__} of your own code, which clients do not get"
        raise UserError("federate", problem, "build the network from Keras' layers and from tinyc.network.blocks")
    try:
        return h5_bytes(model)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UserError("federate", f"the network cannot be sent: {error}", "use layers that Keras stores") from error


def known(module: str) -> bool:
    """Say whether a layer's class comes with tinyc or Keras."""
    return module.split(".", maxsplit=1)[0] in ("keras", "tf_keras", "tinyc")


def network_of(job: Job) -> Net:
    """Read the network of a job.

    Raises:
        UserError: the bytes hold no network, one that carries code or leads to other files, or one for another task.
    """
    from tinyc.network import checks, sources

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.h5"
        path.write_bytes(job.network)
        model = checks.fit_to_task(sources.read_own(path, "federated job"), job.task, "federated job")
        return Net(model, job.task, ranges=dict(job.ranges))
