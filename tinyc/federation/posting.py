"""One round's messages: to each client the weights, and the job once; from each an answer, or why it is not used."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinyc.federation import records, replies, resume
from tinyc.federation.apps import NEEDS_JOB
from tinyc.federation.meeting import Nodes, Table
from tinyc.federation.server import Arrays, Server, Weights
from tinyc.federation.strategies import WEIGHT, weight

CARRIED = ("num-examples", "loss")
"""Metrics with a meaning of their own; others are kept as the client's."""
MOST_TIMES = 100
"""What a terminal's answer weighs at most, in medians of the round."""
WHY_LENGTH = 300


@dataclass(frozen=True)
class Rejected:
    """A client whose answer is not used, and why."""

    client: str
    why: str

    def __post_init__(self) -> None:
        """Keep the reason to one short line: it may quote what a client sent."""
        object.__setattr__(self, "why", "".join(c if c.isprintable() else "?" for c in self.why[:WHY_LENGTH]))


@dataclass(frozen=True)
class Usable:
    """An answer that passed every check; `metrics` are those beside loss and examples."""

    client: str
    message: Any = field(repr=False)
    examples: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Answers:
    """What came of a round, in order of the clients' names, and the bytes that it took."""

    usable: tuple[Usable, ...]
    rejected: tuple[Rejected, ...]
    bytes_down: int
    bytes_up: int


def exchange(
    server: Server, grid: Any, nodes: Nodes, chosen: Mapping[str, int], round: int, weights: Weights
) -> Answers:
    """Send the weights to the chosen clients, wait `options.timeout` seconds, and check what comes back."""
    from flwr.app import ConfigRecord

    names = {node: name for name, node in chosen.items()}
    config = ConfigRecord({"job-sha256": server.job.sha256})
    configured = server.strategy.configure_train(round, records.packed(weights), config, Table(chosen, grid))
    messages = [lasting(server, with_job(server, each, nodes.have_job)) for each in configured]
    came, down, up = sent(server, grid, messages)
    known = resume.clear(server, weights, round - 1) or server.arrays
    usable: list[Usable] = []
    rejected: list[Rejected] = []
    for node in sorted(names, key=lambda node: names[node]):
        found = checked(server, names[node], came.get(node), known)
        if isinstance(found, Usable):
            usable.append(found)
        else:
            rejected.append(found)
    usable, outsized = within(server, usable)
    rejected += outsized
    nodes.have_job.update({chosen[each.client] for each in usable})
    return Answers(tuple(usable), tuple(rejected), down, up)


def with_job(server: Server, message: Any, have_job: set[int]) -> Any:
    """Put the job into a message to a node that does not have it."""
    from flwr.app import ConfigRecord, Message, RecordDict

    if message.metadata.dst_node_id in have_job:
        return message
    config = ConfigRecord({**message.content["config"], "job": server.job.to_bytes()})
    content = RecordDict({**message.content, "config": config})
    return Message(content, message.metadata.dst_node_id, message.metadata.message_type)


def lasting(server: Server, message: Any) -> Any:
    """Let a message be valid for as long as the round waits: Flower drops those of twelve hours ago."""
    message.metadata.ttl = max(message.metadata.ttl, 2 * server.options.timeout)
    return message


def within(server: Server, usable: list[Usable]) -> tuple[list[Usable], list[Rejected]]:
    """Leave out real terminals that say they have far more examples than the others: nobody can count them."""
    if server.options.engine != "deployment" or not usable:
        return usable, []
    usual = statistics.median(each.examples for each in usable)
    most = MOST_TIMES * usual
    why = f"more than {MOST_TIMES} times the round's median of {usual:g}"
    over = [
        Rejected(each.client, f"it says {each.examples} examples, {why}") for each in usable if each.examples > most
    ]
    return [each for each in usable if each.examples <= most], over


def sent(server: Server, grid: Any, messages: list[Any]) -> tuple[dict[int, Any], int, int]:
    """Send, and once more with the job to those that were started anew; gives answers by node, and bytes down and up.

    A grid that makes several messages of one has a `traffic` of its own, for the round.
    """
    end = time.monotonic() + server.options.timeout
    down = sum(records.size_bytes(each.content) for each in messages)
    came = received(grid, messages, server.options.timeout)
    if hasattr(grid, "traffic"):
        return came, grid.traffic.down, grid.traffic.up
    up = sum(records.size_bytes(each.content) for each in came.values() if each.has_content())
    lacking = {node for node, each in came.items() if each.has_content() and needs_job(each.content)}
    if lacking:
        again = [
            lasting(server, with_job(server, each, set())) for each in messages if each.metadata.dst_node_id in lacking
        ]
        later = received(grid, again, max(1.0, end - time.monotonic()))
        down += sum(records.size_bytes(each.content) for each in again)
        up += sum(records.size_bytes(each.content) for each in later.values() if each.has_content())
        came = {**{node: each for node, each in came.items() if node not in lacking}, **later}
    return came, down, up


def received(grid: Any, messages: list[Any], seconds: float) -> dict[int, Any]:
    return {each.metadata.src_node_id: each for each in grid.send_and_receive(messages, timeout=seconds)}


def needs_job(content: Any) -> bool:
    return NEEDS_JOB in content.config_records.get("config", {})


def checked(server: Server, client: str, message: Any, known: Arrays) -> Usable | Rejected:
    """Check one client's answer against the weights that it began with, and take from it what was asked for."""
    if message is None:
        return Rejected(client, f"no answer within {server.options.timeout:g} s")
    if message.has_error():
        return Rejected(client, first_line(message.error.reason) or f"error {message.error.code}")
    if needs_job(message.content):
        return Rejected(client, "it asks for the job, although it was sent")
    why = replies.wrong_metrics(message.content)
    why = why or server.complaint(message.content, known, server.options.max_update)
    return Rejected(client, why) if why else taken(server, client, message)


def taken(server: Server, client: str, message: Any) -> Usable:
    """Put the answer into a form in which all are alike: what else a client sends cannot upset the others."""
    from flwr.app import MetricRecord, RecordDict

    metrics = message.content["metrics"]
    examples, loss = int(metrics["num-examples"]), float(metrics["loss"])
    figures: dict[str, Any] = {"num-examples": examples, "loss": loss, WEIGHT: weight(server.options, examples)}
    arrays = message.content["arrays"]
    message.content = RecordDict({"arrays": arrays, "metrics": MetricRecord(figures)})
    others = {name: value for name, value in metrics.items() if name not in CARRIED and is_figure(value)}
    return Usable(client, message, examples, others)


def is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < float("inf")


def first_line(reason: str | None) -> str:
    """Give what an error's reason begins with, without the wrapping that Flower puts around it."""
    text = (reason or "").split("Message: ")[-1].strip().rstrip(">'\"")
    return text.splitlines()[0] if text else ""
