"""Averaging under masks, in simulations: the server gets the sum of the clients' updates and no single one.

SecAgg+ (Bell, Bonawitz, Gascon, Lepoint, Raykova, "Secure single-server aggregation with (poly)logarithmic overhead",
2020) as Flower has it, through its older interface:

    server                                                                        client
    Unmask.ask --setup, share keys, masked vectors, unmask (each a message)-->    stage: the third trains
               <---------------------- sums of integers ----------------------    as_vector: the update as one vector
    Unmask.incoming: the average update becomes weights again

What travels is the update, quantized: clipped to +-RANGE, of as many levels as the modulus holds for all clients.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata
from flwr.client.mod import secaggplus_mod
from flwr.common import Code, FitIns, FitRes, Parameters, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS
from flwr.compat.common import recorddict_compat as compat
from flwr.server import LegacyContext
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD
from flwr.supercore.task_identity import TaskIdentity

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import tensors
from tinyc.federation.flower import messages
from tinyc.federation.flower.messages import Answers, Content, Failure, Transport, content
from tinyc.federation.tensors import apart, vector
from tinyc.federation.updates import Update, Updates
from tinyc.spec.answers import FEWEST_MASKED

RANGE = 4.0
"""Largest value of an update, times its share of the largest client's weight; more is refused, never clipped."""
MODULUS = 2**32
MOST_SHARES = 15
THRESHOLD = 2 / 3
LARGEST_WEIGHT, EQUAL_WEIGHTS = "secagg-largest", "secagg-equal"
UPDATE = "update"
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


def settings(clients: int) -> Settings:
    """Choose the protocol's numbers: keys shared among all, or 15; two thirds make one; levels that cannot overflow."""
    shares = clients if clients <= MOST_SHARES else MOST_SHARES
    levels = 2 ** (32 - math.ceil(math.log2(clients + 1)))
    return Settings(shares, min(max(round(THRESHOLD * shares), FEWEST_MASKED), shares), levels)


def as_vector(update: Update) -> Update:
    """Give the difference to the weights that came as one vector, float64, which the protocol quantizes and masks.

    It is a client's last step.

    Raises:
        UserError: it is not finite.
    """
    moved = vector(update.weights) - vector(update.before)
    if not np.all(np.isfinite(moved)):
        raise UserError("secagg", "the update has values that are not finite", "lower the learning rate")
    return replace(update, weights={UPDATE: moved})


@dataclass(frozen=True)
class Unmask:
    """The server's end.

    Attributes:
        largest: the largest weight that any client has in an average.
        equal: whether all clients weigh the same.
    """

    largest: float
    equal: bool

    def ask(self, transport: Transport, contents: Mapping[int, Content], seconds: float) -> Answers:
        """Take a round's messages through the protocol; each client's answer is the average with its own figures.

        Raises:
            MachineError: fewer clients than the threshold stayed to the end; it names those that failed.
        """
        round, numbers = MaskedRound(transport, contents, self), settings(len(contents))
        workflow: Any = SecAggPlusWorkflow(
            1.0 if numbers.shares == len(contents) else numbers.shares,
            numbers.threshold,
            max_weight=self.largest,
            clipping_range=RANGE,
            quantization_range=numbers.levels,
            modulus_range=MODULUS,
            timeout=seconds,
        )
        # Flower writes this identity into every message that its workflow makes.
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, SUPERLINK_NODE_ID
        state = RecordDict({MAIN_CONFIGS_RECORD: ConfigRecord({"current_round": 1}), MAIN_PARAMS_RECORD: ArrayRecord()})
        strategy: Any = round
        workflow(round, LegacyContext(Context(0, 0, {}, state, {}), strategy=strategy))
        if not round.averages:
            why = "; ".join(f"node {node}: {reason}" for node, reason in round.errors.items()) or "none failed"
            few = f"fewer than {numbers.threshold} of {len(contents)} clients stayed"
            remedy = "see that they stay, or take more clients"
            raise MachineError("secagg", f"{few}, so no sum can be unmasked ({why})", remedy)
        left = {node: Failure(round.errors.get(node, "left out of the masks")) for node in contents}
        return {**left, **round.averages}

    def incoming(self, updates: Updates) -> Updates:
        """Add the average update, which all usable answers hold, to the weights of the round."""
        if not updates.usable:
            return updates
        moved = vector(updates.before) + tensors.unpacked(updates.usable[0].content)[UPDATE]
        after = {name: array.astype(np.float32) for name, array in apart(moved, updates.before).items()}
        block = tensors.packed(after)
        return replace(updates, usable=tuple(replace(each, content=block) for each in updates.usable))


@dataclass
class MaskedRound:
    """A round as Flower's workflow sees it: the grid that it sends over, and the strategy that it asks.

    Attributes:
        contents: what each node is asked.
        averages: the average, with each node's own figures, for those that stayed to the end.
        errors: why others did not.
    """

    transport: Transport
    contents: Mapping[int, Content]
    unmask: Unmask
    averages: dict[int, Content] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)

    def configure_fit(self, *_: Any, **__: Any) -> list[tuple[Any, FitIns]]:
        """Put the requests to train into the form of Flower's older interface."""
        own = {LARGEST_WEIGHT: float(self.unmask.largest), EQUAL_WEIGHTS: self.unmask.equal}
        return [
            (
                SimpleNamespace(node_id=node),
                FitIns(Parameters([messages.weights_of(each) or b""], messages.FORMAT), messages.config_of(each) | own),
            )
            for node, each in self.contents.items()
        ]

    def aggregate_fit(self, _: int, results: list[tuple[Any, FitRes]], __: list[Any]) -> tuple[None, dict[str, Any]]:
        """Keep the average that the workflow came to."""
        for proxy, result in results:
            (average,) = parameters_to_ndarrays(result.parameters)
            self.averages[proxy.node_id] = content(tensors.packed({UPDATE: average}), metrics=result.metrics)
        return None, {}

    def send_and_receive(self, sent: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Send one stage's messages, and give the answers as replies."""
        contents = {each.metadata.dst_node_id: each.content for each in sent}
        answers = self.transport.ask(messages.TRAIN, contents, timeout or messages.LIFETIME_SECONDS)
        failed = {node: each.why for node, each in answers.items() if isinstance(each, Failure)}
        self.errors |= failed | {node: "no answer in time" for node in contents if node not in answers}
        return [reply(node, each) for node, each in answers.items()]


def reply(node: int, answer: Content | Failure) -> Message:
    """Make the message that the workflow reads."""
    metadata = described(source=node, destination=SUPERLINK_NODE_ID)
    if isinstance(answer, Failure):
        return make_message(metadata=metadata, error=Error(FAILED, answer.why))
    return make_message(metadata=metadata, content=answer)


def described(source: int, destination: int) -> Metadata:
    """Make the metadata of a message that stays within this process."""
    return Metadata(0, "", source, destination, "", "", time.time(), messages.LIFETIME_SECONDS, messages.TRAIN)


def is_stage(asked: Content) -> bool:
    """Say whether a message is a stage of the protocol."""
    return RECORD_KEY_CONFIGS in asked.config_records


def stage(asked: Content, node: int, state: Content, train: Callable[[Content], Content]) -> Content:
    """Take part in one stage; the third calls `train`, which must end in `as_vector`.

    The stages of a round find the client's keys in `state`. Values are rounded at random by NumPy's global generator,
    which is seeded by the update and put back, so that the same updates give the same average.
    """
    # Flower's function empties these tables, and in one process all clients share the server's.
    tables = {name: ConfigRecord(dict(record)) for name, record in asked.config_records.items()}
    kept = np.random.get_state()
    message = make_message(metadata=described(SUPERLINK_NODE_ID, node), content=RecordDict({**asked, **tables}))
    try:
        done = secaggplus_mod(message, Context(0, node, {}, state, {}), lambda inner, _: trained(inner, train))
    finally:
        np.random.set_state(kept)
    return done.content


def trained(message: Message, train: Callable[[Content], Content]) -> Message:
    """Train, and give the update as Flower's older interface has it.

    Raises:
        UserError: the update is larger than the protocol's range: clipping it would be silent.
    """
    instructions = compat.recorddict_to_fitins(message.content, True)
    config: dict[str, Any] = dict(instructions.config)
    largest, equal = float(config.pop(LARGEST_WEIGHT)), bool(config.pop(EQUAL_WEIGHTS))
    (block,) = instructions.parameters.tensors
    done = train(content(block, config))
    figures, update = messages.metrics_of(done) or {}, tensors.unpacked(messages.weights_of(done) or b"")[UPDATE]
    weight = 1 if equal else int(figures["num-examples"])
    if weight > largest:
        raise UserError("secagg", f"a weight of {weight:g}, and the server expects {largest:g} at most", "")
    most = float(np.max(np.abs(update), initial=0.0)) * weight / largest
    if most > RANGE:
        raise UserError("secagg", f"an update of {most:g}, and masks hold {RANGE:g}", "lower the learning rate")
    np.random.seed(int.from_bytes(hashlib.sha256(update.tobytes()).digest()[:4], "big"))
    result = FitRes(Status(Code.OK, "trained"), ndarrays_to_parameters([update]), weight, figures)
    return make_message(metadata=message.metadata, content=compat.fitres_to_recorddict(result, True))


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
