"""What a message carries, as Flower's records: a block of weights, settings, and figures.

| record | key | holds |
|---|---|---|
| arrays | weights | safetensors, which Flower sends as the bytes of one array, cut into pieces |
| config | server-round, job-sha256, job, ... | numbers, texts, bytes |
| metrics | num-examples, loss, ... | numbers |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

Content = RecordDict
ARRAYS, WEIGHTS, CONFIG, METRICS = "arrays", "weights", "config", "metrics"
FORMAT = "safetensors"
TRAIN, OPEN, DONE = "train", "query.open", "query.done"
"""Kinds of messages: train a round, open the final network, the training is over."""
NEEDS_JOB = "needs-job"
"""A client's setting, in place of an answer: it does not have the job."""
LIFETIME_SECONDS = 43200.0
"""How long Flower keeps a message at least."""


@dataclass(frozen=True)
class Failure:
    """A client's answer that there is none, and why."""

    why: str


Answers = dict[int, Content | Failure]
"""What came back, by node; a node that did not answer in time is missing."""


class Transport(Protocol):
    """A way to the clients: this process, Ray's workers, or terminals over TLS."""

    def present(self) -> Mapping[int, str]:
        """Name the connected clients, by node."""

    def ask(self, kind: str, contents: Mapping[int, Content], seconds: float) -> Answers:
        """Send each node its content, and wait for the answers, at most so many seconds."""


def content(
    weights: bytes | None = None, config: Mapping[str, Any] | None = None, metrics: Mapping[str, Any] | None = None
) -> Content:
    """Make the content of a message."""
    made = Content()
    if weights is not None:
        array = Array(dtype="uint8", shape=(len(weights),), stype=FORMAT, data=weights)
        made[ARRAYS] = ArrayRecord({WEIGHTS: array})
    if config is not None:
        made[CONFIG] = ConfigRecord(dict(config))
    if metrics is not None:
        made[METRICS] = MetricRecord(dict(metrics))
    return made


def weights_of(given: Content) -> bytes | None:
    """Give the block of weights; None where there is none."""
    record = given.array_records.get(ARRAYS)
    return None if record is None or set(record) != {WEIGHTS} else bytes(record[WEIGHTS].data)


def config_of(given: Content) -> dict[str, Any]:
    """Give the settings, whatever types they are of."""
    return dict(given.config_records.get(CONFIG, {}))


def metrics_of(given: Content) -> dict[str, Any] | None:
    """Give the figures; None where there are none."""
    record = given.metric_records.get(METRICS)
    return None if record is None else dict(record)


def size_bytes(given: Content) -> int:
    """Count the bytes of all records; the transport's own (headers, TLS) are not among them.

    Flower's own count raises on empty texts and lists, which a client may send.
    """
    return sum(len(name) + value_bytes(value) for record in given.values() for name, value in record.items())


def value_bytes(value: Any) -> int:
    """Count an array's data, a text, or what is in a list; a number is 8."""
    data = getattr(value, "data", value)
    if isinstance(data, list):
        return sum(map(value_bytes, data))
    return len(data) if isinstance(data, str | bytes) else 8


def give_number(message: Message, number: str) -> None:
    """Give a message its number, which Flower's own code sets in this way, too: there is no public one."""
    message.metadata.__dict__["_message_id"] = number
