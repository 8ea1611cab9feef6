"""Clients that do not train: each adds its own number to the weights, or misbehaves; no TensorFlow in it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from support import clients
from tinyc.core.progress import Silent
from tinyc.data.task import Task
from tinyc.federation import flower, records, rounds, strategies
from tinyc.federation.grid import InProcess
from tinyc.federation.job import Job
from tinyc.federation.server import Finished, Server
from tinyc.spec.federation import FederationOptions

flower.settle()
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict  # noqa: E402
from flwr.clientapp import ClientApp  # noqa: E402

__all__ = ["Silent"]
START = {"a/kernel": np.ones((3, 2), np.float32), "b/bias": np.full((4,), 2, np.float32)}
Deed = Callable[[Mapping[str, Any]], Any]


def names(count: int) -> list[str]:
    return [f"client-{index}" for index in range(1, count + 1)]


def client_app(known: Sequence[str], deeds: Mapping[str, Deed] | None = None, calls: list[Any] | None = None) -> Any:
    """Make a ClientApp whose client N adds 0.1 * N to all weights; `deeds` are what some do instead."""
    app = ClientApp()

    @app.query("name")
    def name(message: Any, context: Any) -> Any:
        config = ConfigRecord({"client": known[context.node_config["partition-id"]]})
        return Message(RecordDict({"config": config}), reply_to=message)

    @app.train()
    def train(message: Any, context: Any) -> Any:
        name = known[context.node_config["partition-id"]]
        if calls is not None:
            calls.append((message.content["config"]["server-round"], name, "job" in message.content["config"]))
        received = records.unpacked(message.content["arrays"])
        if deeds and name in deeds:
            content = deeds[name](received)
        else:
            number = int(name.split("-")[1])
            content = answer({key: each + np.float32(0.1) * number for key, each in received.items()}, number)
        return Message(content, reply_to=message)

    return app


def answer(arrays: Mapping[str, Any], examples: Any, **metrics: Any) -> Any:
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    figures = MetricRecord({"num-examples": examples, "loss": 0.5, **metrics})
    return RecordDict({"arrays": records.packed(arrays), "metrics": figures})


def server(options: FederationOptions, clients: int, **fields: Any) -> Server:
    job = Job(options, 3, b"no network", Task(("a", "b"), (2,)))
    made = Server(options, 3, job, START, strategies.strategy(options), clients)
    return replace(made, **fields)


def run(options: FederationOptions, clients: int, deeds: Mapping[str, Deed] | None = None, **fields: Any) -> Finished:
    known = names(clients)
    return rounds.run(server(options, clients, **fields), InProcess(client_app(known, deeds), known))


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
    return RecordDict({})


def raising(received: Mapping[str, Any]) -> Any:
    raise OSError("the sensor is gone")


def slow(received: Mapping[str, Any]) -> Any:
    time.sleep(1.5)
    return answer(received, 5)


def garbage(received: Mapping[str, Any]) -> Any:
    content = answer(received, 5)
    for array in content["arrays"].values():
        array.data = b"\x80\x04no numpy at all"
    return content


def crowd(received: Mapping[str, Any]) -> Any:
    return answer(received, 10**18)


def bottomless(received: Mapping[str, Any]) -> Any:
    return answer(received, 5, loss=1e308)


def talkative(received: Mapping[str, Any]) -> Any:
    content = answer(received, 5, **{f"figure-{index}": 1.0 for index in range(1000)}, empty=[])
    content["notes"] = ConfigRecord({"": "", "none": [], "nothing": b""})
    return content


def unsaid(received: Mapping[str, Any]) -> Any:
    """Say a type that would write on the terminal of whoever reads it."""
    content = answer(received, 5)
    for array in content["arrays"].values():
        array.dtype = "\x1b[2J\n" + "x" * 100_000
    return content


def filled(received: Mapping[str, Any], data: bytes) -> Any:
    content = answer(received, 5)
    for array in content["arrays"].values():
        array.data = data
    return content


def archive(received: Mapping[str, Any]) -> Any:
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    return filled(received, file.getvalue())


def half_an_archive(received: Mapping[str, Any]) -> Any:
    return filled(received, b"PK\x03\x04" + bytes(40))


def header(text: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def nested(received: Mapping[str, Any]) -> Any:
    return filled(received, header(b"-" * 4000 + b"1"))


def torn(received: Mapping[str, Any]) -> Any:
    return filled(received, header(b"{'descr': (((L"))


def lying(received: Mapping[str, Any]) -> Any:
    """Say float32 (3, 2) outside, and hold a terabyte's header inside."""
    content = answer(received, 5)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    arrays = content["arrays"]
    first = arrays["a/kernel"]
    first.data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    content["arrays"] = ArrayRecord(dict(arrays))
    return content


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
