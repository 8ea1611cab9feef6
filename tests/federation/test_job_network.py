"""A network that came from elsewhere runs no code, reads no file, and is no larger than it looks."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import clients

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.federation.job import Job, Network, network_of, read_network
from tinyc.network import backend

Table = dict[str, Any]
Change = Callable[[Table], Any]


@pytest.fixture(scope="module")
def plain() -> Network:
    return network_of(clients.network())


def with_architecture(change: Change) -> Callable[[Network], Network]:
    """Change the table of the architecture."""

    def changed(network: Network) -> Network:
        table = json.loads(network.architecture)
        return Network(json.dumps(change(table) or table), network.weights)

    return changed


def with_header(change: Change, more: bytes = b"") -> Callable[[Network], Network]:
    """Change the header of the weights, and put bytes behind them."""

    def changed(network: Network) -> Network:
        end = 8 + int.from_bytes(network.weights[:8], "little")
        table = json.loads(network.weights[8:end])
        header = json.dumps(change(table) or table).encode()
        return Network(network.architecture, len(header).to_bytes(8, "little") + header + network.weights[end:] + more)

    return changed


def with_weights(weights: bytes) -> Callable[[Network], Network]:
    return lambda network: Network(network.architecture, weights)


def layer(table: Table, index: int, **keys: Any) -> None:
    table["config"]["layers"][index] |= keys


def setting(table: Table, index: int, **keys: Any) -> None:
    table["config"]["layers"][index]["config"] |= keys


def op(function: str) -> Change:
    return lambda table: layer(table, 2, class_name="TFOpLambda", config={"name": "x", "function": function})


def lookup(table: Table) -> None:
    layer(table, 2, class_name="StringLookup", config={"name": "x", "vocabulary": "/etc/hostname"})


def itself(table: Table) -> None:
    """The third layer reads from itself, for which Keras would wait without end."""
    name = table["config"]["layers"][2]["name"]
    layer(table, 2, inbound_nodes=[[[name, 0, 0, {}]]])


def many_calls(table: Table) -> None:
    layer(table, 2, inbound_nodes=[[["first", 0, 0, {}]]] * (limits.LAYERS + 1))


def deep(table: Table) -> None:
    inner: Any = []
    for _ in range(limits.NESTING + 10):
        inner = [inner]
    setting(table, 2, more=inner)


def archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    return file.getvalue()


def elsewhere(table: Table) -> None:
    """Place the first array beyond the end of the block."""
    table["first/0"]["data_offsets"] = [1 << 40, (1 << 40) + 216]


def shared(table: Table) -> None:
    """Let two layers have the same bytes."""
    table["logits/0"] = {**table["first/0"]}


def hole(table: Table) -> None:
    """Leave bytes between arrays, which another reader could read."""
    for each in table.values():
        each["data_offsets"] = [offset + 8 for offset in each["data_offsets"]]


def vast_array(table: Table) -> None:
    table["first/0"]["shape"] = [1 << 20, 1 << 20]


def renamed(table: Table) -> None:
    table["other/0"] = table.pop("first/0")


def typed(table: Table) -> None:
    table["first/0"]["dtype"] = "I32"


def turned(table: Table) -> None:
    table["first/0"]["shape"] = table["first/0"]["shape"][::-1]


BAD: dict[str, tuple[Callable[[Network], Network], str]] = {
    "beyond the end": (with_header(elsewhere), "is damaged"),
    "one for two": (with_header(shared), "is damaged"),
    "a hole": (with_header(hole, bytes(8)), "is damaged"),
    "more behind": (with_header(lambda table: None, b"PK\3\4"), "is damaged"),
    "a bomb": (with_header(vast_array), "is damaged"),
    "another name": (with_header(renamed), "'first/0' is not among its arrays"),
    "another type": (with_header(typed), r"'first/0' is int32 \(3, 3, 1, 6\), and its layer has float32"),
    "another shape": (with_header(turned), r"'first/0' is float32 \(6, 1, 3, 3\), and its layer has"),
    "no header": (with_weights(b""), "is damaged"),
    "endless header": (with_weights((1 << 62).to_bytes(8, "little") + b"{}"), "is damaged"),
    "a zip": (with_weights(archive()), "is damaged"),
    "HDF5": (with_weights(b"\x89HDF\r\n\x1a\n" + bytes(200)), "is damaged"),
    "a pickle": (with_weights(b"\x80\x04N." + bytes(40)), "is damaged"),
    "newer": (with_architecture(lambda table: table.update(keras_version="3.5.0")), "is of Keras 3, and tinyc writes"),
    "reading": (with_architecture(op("io.read_file")), "is a TFOpLambda that calls 'io.read_file'"),
    "lookup": (with_architecture(lookup), "takes its vocabulary from the file '/etc/hostname'"),
    "method": (
        with_architecture(lambda table: layer(table, 2, class_name="InstanceMethod")),
        "is a InstanceMethod, which calls",
    ),
    "module": (with_architecture(lambda table: layer(table, 2, module="os")), "of the module 'os'"),
    "itself": (with_architecture(itself), "which can never be called"),
    "many calls": (with_architecture(many_calls), "layers and calls of layers"),
    "deep": (with_architecture(deep), "nested too deep"),
    "vast": (with_architecture(lambda table: setting(table, -1, units=1 << 24)), "its layers ask for the weight"),
    "vaster": (with_architecture(lambda table: setting(table, -1, units=1 << 60)), "has units = "),
    "lambda": (with_architecture(lambda table: layer(table, 2, class_name="Lambda")), "Lambda, which carries code"),
    "a class of its own": (with_architecture(lambda table: layer(table, 2, class_name="Own")), "names the class 'Own'"),
    "subclassed": (with_architecture(lambda table: table.update(class_name="Own")), "holds a subclassed model"),
    "a list": (with_architecture(lambda table: [table]), "describes no network"),
    "nothing": (with_architecture(lambda table: {"class_name": "Functional"}), "has no table of settings"),
    "no JSON": (lambda network: Network("{", network.weights), "is damaged"),
    "a key twice": (lambda network: Network('{"a": 1, "a": 2}', network.weights), "is damaged.*twice"),
    "NaN": (lambda network: Network('{"a": NaN}', network.weights), "is damaged.*NaN"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_plain_network_is_refused(name: str, plain: Network) -> None:
    change, said = BAD[name]
    with pytest.raises(UserError, match=said) as caught:
        read_network(replace(clients.job(), network=change(plain)))
    assert caught.value.where == "federated job"
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_or_kept_as_it_is_when_the_job_is_read(name: str, plain: Network) -> None:
    """A terminal reads the job first: nothing of a network is built for that."""
    job = replace(clients.job(), network=BAD[name][0](plain))
    if name in ("a list", "no JSON", "a key twice", "NaN"):
        with pytest.raises(UserError, match="federated job: cannot be read"):
            Job.from_bytes(job.to_bytes())
    else:
        assert Job.from_bytes(job.to_bytes()).network == job.network


def test_arithmetic_of_tensorflow_still_travels() -> None:
    keras, tf = backend.keras(), backend.tensorflow()
    image = keras.Input((8, 8, 1))
    summed = tf.reduce_mean(tf.nn.relu(keras.layers.Conv2D(3, 3)(image) * 2.0 + 1.0)[:, 1:], (1, 2))
    made = keras.Model(image, keras.layers.Dense(3)(summed))
    again = read_network(replace(clients.job(), network=network_of(made))).model
    x = np.random.default_rng(0).random((2, 8, 8, 1)).astype(np.float32)
    assert (again(x).numpy() == made(x).numpy()).all()


def test_the_network_is_as_it_was_after_it_was_written_down() -> None:
    model = clients.network()
    network_of(model)
    assert not hasattr(model, "use_legacy_config")
