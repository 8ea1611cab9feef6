"""Clients that do not train: each adds its own number to the weights, or misbehaves; no TensorFlow in it."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord

from support import clients
from tinyc.core.progress import Silent
from tinyc.data.task import Task
from tinyc.federation import exchange, tensors
from tinyc.federation.client.in_process import InProcess
from tinyc.federation.flower.messages import Content, config_of, content, weights_of
from tinyc.federation.job import Job, Network
from tinyc.federation.rounds import loop
from tinyc.federation.rounds.server import Finished, Server
from tinyc.spec.federation import FederationOptions

__all__ = ["Silent"]
START = {"a/kernel": np.ones((3, 2), np.float32), "b/bias": np.full((4,), 2, np.float32)}
NO_NETWORK = Network("{}", b"")
Deed = Callable[[Mapping[str, Any]], Any]


def names(count: int) -> list[str]:
    return [f"client-{index}" for index in range(1, count + 1)]


@dataclass(frozen=True)
class Faking:
    """A client N that adds 0.1 * N to all weights, or does its `deed` instead; `calls` are what it was asked."""

    name: str
    deed: Deed | None = None
    calls: list[Any] = field(default_factory=list)

    def answer(self, asked: Content, node: int, state: Content) -> Content:
        config = config_of(asked)
        self.calls.append((config["server-round"], self.name, "job" in config))
        received = tensors.unpacked(weights_of(asked) or b"")
        if self.deed:
            found: Content = self.deed(received)
            return found
        number = int(self.name.split("-")[1])
        return answer({key: each + np.float32(0.1) * number for key, each in received.items()}, number)


def faking(known: Sequence[str], deeds: Mapping[str, Deed] | None = None, calls: list[Any] | None = None) -> list[Any]:
    """Make clients of these names; `deeds` are what some do instead."""
    return [Faking(name, (deeds or {}).get(name), [] if calls is None else calls) for name in known]


def transport(known: Sequence[str], deeds: Mapping[str, Deed] | None = None, calls: list[Any] | None = None) -> Any:
    return InProcess(faking(known, deeds, calls))


def answer(arrays: Mapping[str, Any], examples: Any, **metrics: Any) -> Content:
    packed = tensors.packed({name: np.asarray(array) for name, array in arrays.items()})
    return content(packed, metrics={"num-examples": examples, "loss": 0.5, **metrics})


def spending(stop: Callable[[int], str | None], spent: Callable[[int], float | None] = lambda rounds: None) -> Any:
    """Make a budget of a test's own."""
    return SimpleNamespace(before_round=stop, epsilon_after=spent)


def server(options: FederationOptions, clients: int, **fields: Any) -> Server:
    job = Job(options, 3, NO_NETWORK, Task(("a", "b"), (2,)))
    made = replace(Server(options, 3, job, START, clients), **fields)
    # The network of this job has no structure to put back.
    return made if "steps" in fields else replace(made, steps=exchange.at_server(made)[:-1])


def run(options: FederationOptions, clients: int, deeds: Mapping[str, Deed] | None = None, **fields: Any) -> Finished:
    return loop.run(server(options, clients, **fields), transport(names(clients), deeds))


def nan(received: Mapping[str, Any]) -> Any:
    return answer({name: array * np.nan for name, array in received.items()}, 5)


def infinite(received: Mapping[str, Any]) -> Any:
    return answer({name: array + np.float32(np.inf) for name, array in received.items()}, 5)


def shape(received: Mapping[str, Any]) -> Any:
    return answer({name: array.reshape(-1)[:2] for name, array in received.items()}, 5)


def kind(received: Mapping[str, Any]) -> Any:
    return answer({name: array.astype(np.float64) for name, array in received.items()}, 5)


def missing(received: Mapping[str, Any]) -> Any:
    return answer({"a/kernel": received["a/kernel"]}, 5)


def foreign(received: Mapping[str, Any]) -> Any:
    return answer({**received, "c/kernel": np.zeros(2, np.float32)}, 5)


def gigantic(received: Mapping[str, Any]) -> Any:
    return answer({name: array * np.float32(1e20) for name, array in received.items()}, 5)


def nothing(received: Mapping[str, Any]) -> Any:
    return answer(received, 0)


def negative(received: Mapping[str, Any]) -> Any:
    return answer(received, -3)


def loss(received: Mapping[str, Any]) -> Any:
    return answer(received, 5, loss=float("nan"))


def list_of_metrics(received: Mapping[str, Any]) -> Any:
    return answer(received, [5, 5])


def empty(received: Mapping[str, Any]) -> Any:
    return content()


def raising(received: Mapping[str, Any]) -> Any:
    raise OSError("the sensor is gone")


def slow(received: Mapping[str, Any]) -> Any:
    time.sleep(1.5)
    return answer(received, 5)


def filled(received: Mapping[str, Any], data: bytes) -> Any:
    """Answer with a block of other bytes."""
    return content(data, metrics={"num-examples": 5, "loss": 0.5})


def garbage(received: Mapping[str, Any]) -> Any:
    return filled(received, b"\x80\x04no weights at all")


def crowd(received: Mapping[str, Any]) -> Any:
    return answer(received, 10**18)


def bottomless(received: Mapping[str, Any]) -> Any:
    return answer(received, 5, loss=1e308)


def talkative(received: Mapping[str, Any]) -> Any:
    made = answer(received, 5, **{f"figure-{index}": 1.0 for index in range(1000)}, empty=[])
    made["notes"] = ConfigRecord({"": "", "none": [], "nothing": b""})
    return made


def several(received: Mapping[str, Any]) -> Any:
    """Send the block of weights twice, under names of its own."""
    made = answer(received, 5)
    made["arrays"] = ArrayRecord(dict.fromkeys(("weights", "more"), made["arrays"]["weights"]))
    return made


def block(header: Any, data: bytes = bytes(40)) -> bytes:
    """A block of safetensors whose header is this JSON, or these bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def table(**changes: Any) -> dict[str, Any]:
    """The header of an honest answer, with changes to the first array."""
    first = {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]} | changes
    return {"a/kernel": first, "b/bias": {"dtype": "F32", "shape": [4], "data_offsets": [24, 40]}}


def unsaid(received: Mapping[str, Any]) -> Any:
    """Say a type that would write on the terminal of whoever reads it."""
    return filled(received, block(table(dtype="\x1b[2J\n" + "x" * 5000)))


def archive(received: Mapping[str, Any]) -> Any:
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    return filled(received, file.getvalue())


def half_an_archive(received: Mapping[str, Any]) -> Any:
    return filled(received, b"PK\x03\x04" + bytes(40))


def nested(received: Mapping[str, Any]) -> Any:
    return filled(received, block(b"[" * 5000))


def torn(received: Mapping[str, Any]) -> Any:
    return filled(received, block(b'{"a/kernel": {"dtype": "F3'))


def lying(received: Mapping[str, Any]) -> Any:
    """Claim a terabyte's array, and hold a few bytes."""
    return filled(received, block(table(shape=[1_000_000, 1_000_000])))


def sharing(received: Mapping[str, Any]) -> Any:
    """Give two arrays the same bytes."""
    return filled(received, block(table(shape=[10], data_offsets=[0, 40])))


def beyond(received: Mapping[str, Any]) -> Any:
    """Place an array beyond the end."""
    return filled(received, block(table(data_offsets=[1 << 40, (1 << 40) + 24])))


def large(received: Mapping[str, Any]) -> Any:
    """Send many more bytes than were asked for."""
    return answer({**received, "more": np.zeros(100_000, np.float32)}, 5)


def header_without_end(received: Mapping[str, Any]) -> Any:
    return filled(received, (1 << 62).to_bytes(8, "little") + b"{}")


def encrypted(received: Mapping[str, Any]) -> Any:
    """Send bytes where arrays should be, as under encryption."""
    return answer({name: np.frombuffer(array.tobytes(), np.uint8) for name, array in received.items()}, 5)


def options(**keys: Any) -> Any:
    return clients.options(**{"engine": "process", **keys})


def same(one: Any, other: Any) -> bool:
    return set(one) == set(other) and all(one[name].tobytes() == other[name].tobytes() for name in one)


class Lines(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.notes: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def advance(self, amount: int, note: str = "") -> None:
        self.notes.append(note)
