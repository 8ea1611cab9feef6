"""Averaging under masks: a grid that lets only the sum of the clients' updates through to the server's loop.

SecAgg+ (Bell, Bonawitz, Gascon, Lepoint, Raykova, "Secure single-server aggregation with (poly)logarithmic overhead",
2020) as Flower has it, through its older interface, for simulations. The loop of rounds sends its messages to a
`Masked` grid, which takes them through the four stages of the protocol over the grid beneath, and answers for each
client with that client's figures and, in place of its weights, with the weights of all:

    loop of rounds   --messages-->   Masked   --setup, share keys, masked vectors, unmask-->   grid   -->   `mod`
                     <--averages--            <----------- sums of integers --------------          <--

What travels is the update, quantized: clipped to +-RANGE, of as many levels as the modulus holds for all clients.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import MachineError
from tinyc.federation import flower, records
from tinyc.federation.homomorphic import packed, unpacked
from tinyc.federation.posting import first_line
from tinyc.spec.answers import FEWEST_MASKED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinyc.federation.job import Job

RANGE = 4.0
"""Largest value of an update, times its share of the largest client's weight; more is refused, never clipped."""
MODULUS = 2**32
MOST_SHARES = 15
THRESHOLD = 2 / 3
LARGEST_WEIGHT = "secagg-largest"
NAMES = "secagg-names"
FAILED = 100
"""Flower leaves error codes from here on to applications."""


@dataclass(frozen=True)
class Settings:
    """The protocol's numbers: keys are split into `shares`, of which `threshold` make one; levels of a value."""

    shares: int
    threshold: int
    levels: int

    @property
    def error(self) -> float:
        """Bound the error of an average: each client rounds to a neighbouring level, and its weight by half of one."""
        return 3 * RANGE / self.levels


@dataclass
class Traffic:
    """Bytes of records that one round moved, and why clients failed in it, by node."""

    up: int = 0
    down: int = 0
    errors: dict[int, str] = field(default_factory=dict)


@dataclass
class Masked:
    """One of Flower's grids, over which TRAIN messages bring the average of all clients instead of their weights.

    Attributes:
        grid: the grid beneath, in simulation or in this process.
        job: goes with every TRAIN message, since a node that asked for it would be out of the protocol.
        largest: the largest weight that any client has in an average.
        traffic: of the last round.
    """

    grid: Any
    job: Job
    largest: float
    traffic: Traffic = field(default_factory=Traffic)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.grid, name)

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
        """Send messages; a round of TRAIN messages goes through the protocol.

        Raises:
            MachineError: fewer clients than the threshold stayed to the end; it names those that failed.
        """
        sent = list(messages)
        if not sent or sent[0].metadata.message_type != "train":
            return list(self.grid.send_and_receive(sent, timeout=timeout))
        watched = Watched(self.grid)
        self.traffic = watched.traffic
        results = protocol(watched, sent, self.job, self.largest, timeout)
        if results is None:
            raise MachineError("secagg", halted(watched.traffic, len(sent)), "see that they stay, or take more clients")
        return [answer(message, results, watched.traffic) for message in sent]


@dataclass
class Watched:
    """A grid that counts what passes and remembers who failed."""

    grid: Any
    traffic: Traffic = field(default_factory=Traffic)

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
        sent = list(messages)
        self.traffic.down += sum(size_bytes(each.content) for each in sent)
        replies = list(self.grid.send_and_receive(sent, timeout=timeout))
        for each in replies:
            if each.has_error():
                self.traffic.errors[each.metadata.src_node_id] = each.error.reason or "an error without a reason"
            else:
                self.traffic.up += size_bytes(each.content)
        came = {each.metadata.src_node_id for each in replies}
        for node in {each.metadata.dst_node_id for each in sent} - came:
            self.traffic.errors[node] = "no answer in time"
        return replies


def settings(clients: int) -> Settings:
    """Choose the protocol's numbers: keys shared among all, or 15; two thirds make one; levels that cannot overflow."""
    shares = clients if clients <= MOST_SHARES else MOST_SHARES
    levels = 2 ** (32 - math.ceil(math.log2(clients + 1)))
    return Settings(shares, min(max(round(THRESHOLD * shares), FEWEST_MASKED), shares), levels)


def protocol(
    grid: Watched, messages: list[Any], job: Job, largest: float, timeout: float | None
) -> dict[int, Any] | None:
    """Run Flower's workflow for one round; gives each remaining node's arrays and figures, None if it halted."""
    flower.settle()
    from flwr.app import ArrayRecord, ConfigRecord, Context, RecordDict
    from flwr.server import LegacyContext
    from flwr.server.workflow import SecAggPlusWorkflow
    from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD

    numbers = settings(len(messages))
    found: dict[int, Any] = {}
    first = messages[0].content
    received = records.unpacked(first["arrays"])
    round = int(first["config"]["server-round"])

    def aggregate_fit(_: int, results: list[tuple[Any, Any]], __: list[Any]) -> tuple[None, dict[str, Any]]:
        for proxy, result in results:
            found[proxy.node_id] = moved(received, result), result.metrics
        return None, {}

    calls = [(SimpleNamespace(node_id=each.metadata.dst_node_id), fit(each, job, largest)) for each in messages]
    state = RecordDict(
        {MAIN_CONFIGS_RECORD: ConfigRecord({"current_round": round}), MAIN_PARAMS_RECORD: ArrayRecord({})}
    )
    context = LegacyContext(Context(0, 0, {}, state, {}), strategy=_strategy(lambda *_, **__: calls, aggregate_fit))
    workflow: Any = SecAggPlusWorkflow(
        1.0 if numbers.shares == len(messages) else numbers.shares,
        numbers.threshold,
        max_weight=largest,
        clipping_range=RANGE,
        quantization_range=numbers.levels,
        modulus_range=MODULUS,
        timeout=timeout,
    )
    workflow(grid, context)
    return found or None


def conditions(clients: int) -> list[str]:
    """Say what masks do and do not protect against, for the report; `clients` are those of a round."""
    numbers = settings(clients)
    return [
        f"the server sees the sum of a round's updates, not one client's; {numbers.threshold} of {clients} clients "
        "have to stay, and as many that work together can unmask another",
        "in a simulation one process plays the server and all clients, so the masks hide nothing from whoever runs it",
        "Flower draws masks from a generator of 32-bit seeds, which protects against a server that looks, and not "
        "against one that computes",
        "clients' losses and numbers of examples, and every round's average, are in the clear",
        f"values are rounded to {2 * RANGE / numbers.levels:.1e}, so the average is within {numbers.error:.1e} of a "
        "plain one of like numbers of examples",
    ]


def fit(message: Any, job: Job, largest: float) -> Any:
    """Put a TRAIN message into the form of Flower's older interface: a list of arrays, and a table of scalars."""
    from flwr.common import FitIns, ndarrays_to_parameters

    arrays = records.unpacked(message.content["arrays"])
    names = sorted(arrays)
    config = dict(message.content["config"]) | {
        "job": job.to_bytes(),
        LARGEST_WEIGHT: float(largest),
        NAMES: "\n".join(names),
    }
    return FitIns(ndarrays_to_parameters([arrays[name] for name in names]), config)


def moved(received: Mapping[str, NDArray[Any]], result: Any) -> dict[str, NDArray[Any]]:
    """Add the clients' average update to the weights of the round."""
    from flwr.common import parameters_to_ndarrays

    (average,) = parameters_to_ndarrays(result.parameters)
    after = unpacked(packed(received) + average, received)
    return {name: array.astype(received[name].dtype) for name, array in after.items()}


def answer(message: Any, results: Mapping[int, Any], traffic: Traffic) -> Any:
    """Answer in a client's place: the average of all with its own figures, or what went wrong with it."""
    from flwr.app import Error, Message, MetricRecord, RecordDict

    node = message.metadata.dst_node_id
    if node not in results:
        return Message(Error(FAILED, traffic.errors.get(node, "left out of the masks")), reply_to=message)
    arrays, metrics = results[node]
    return Message(RecordDict({"arrays": records.packed(arrays), "metrics": MetricRecord(metrics)}), reply_to=message)


def halted(traffic: Traffic, clients: int) -> str:
    threshold = settings(clients).threshold
    why = "; ".join(f"node {node}: {first_line(reason)}" for node, reason in traffic.errors.items())
    return f"fewer than {threshold} of {clients} clients stayed, so no sum can be unmasked ({why or 'none failed'})"


def size_bytes(content: Any) -> int:
    """Count the bytes of a message's records; Flower's own count fails on the protocol's empty lists."""
    total = sum(int(record.count_bytes()) for record in content.array_records.values())
    for table in [*content.config_records.values(), *content.metric_records.values()]:
        for name, value in table.items():
            values = value if isinstance(value, list) else [value]
            total += len(name) + sum(len(one) if isinstance(one, str | bytes) else 8 for one in values)
    return total


def _strategy(configure_fit: Any, aggregate_fit: Any) -> Any:
    return SimpleNamespace(configure_fit=configure_fit, aggregate_fit=aggregate_fit)
