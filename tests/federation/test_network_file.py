"""A network that came from elsewhere reads no other file, runs no code, and is no larger than it looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import clients

from tinyc.core.errors import UserError
from tinyc.federation.job import network_bytes, network_of
from tinyc.network import backend


@pytest.fixture(scope="module")
def plain() -> bytes:
    return network_bytes(clients.network())


def configured(change: Callable[[Any], Any]) -> Callable[[Any, Path], None]:
    def deed(file: Any, secret: Path) -> None:
        table = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(change(table) or table)

    return deed


def layer(table: Any, index: int, **keys: Any) -> None:
    table["config"]["layers"][index] |= keys


def outside(file: Any, secret: Path) -> None:
    weights = file["model_weights/first/first"]
    shape = weights["kernel:0"].shape
    del weights["kernel:0"]
    weights.create_dataset("kernel:0", shape, "f4", external=[(str(secret), 0, 4 * 54)])


def virtual(file: Any, secret: Path) -> None:
    import h5py

    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        other["secret"] = [1.0] * 54
    layout = h5py.VirtualLayout((54,), "f4")
    layout[:] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "secret", (54,))
    file.create_virtual_dataset("own", layout)


def linked(file: Any, secret: Path) -> None:
    import h5py

    file["model_weights/first/own"] = h5py.ExternalLink(str(secret), "/")


def soft(file: Any, secret: Path) -> None:
    import h5py

    file["own"] = h5py.SoftLink("/elsewhere")


def bomb(file: Any, secret: Path) -> None:
    file.create_dataset("own", (1 << 30,), "f4", chunks=(1 << 20,), compression="gzip")


def circle(file: Any, secret: Path) -> None:
    file["model_weights/first/round"] = file["model_weights"]


def newer(file: Any, secret: Path) -> None:
    file.attrs["keras_version"] = "3.5.0"


def op(function: str) -> Callable[[Any], None]:
    return lambda table: layer(table, 2, class_name="TFOpLambda", config={"name": "x", "function": function})


def lookup(table: Any) -> None:
    layer(table, 2, class_name="StringLookup", config={"name": "x", "vocabulary": "/etc/hostname"})


def itself(table: Any) -> None:
    """The third layer reads from itself, for which Keras would wait without end."""
    name = table["config"]["layers"][2]["name"]
    layer(table, 2, inbound_nodes=[[[name, 0, 0, {}]]])


def vast(table: Any) -> None:
    table["config"]["layers"][-1]["config"]["units"] = 1 << 24


BAD = {
    "outside": (outside, "whose content lies in another file"),
    "virtual": (virtual, "whose content lies in another file"),
    "linked": (linked, "holds the link 'own' to another place"),
    "soft": (soft, "holds the link 'own' to another place"),
    "bomb": (bomb, "unpacks to 42949"),
    "newer": (newer, "is of Keras 3, and tinyc writes Keras 2"),
    "reading": (configured(op("io.read_file")), "is a TFOpLambda that calls 'io.read_file'"),
    "lookup": (configured(lookup), "takes its vocabulary from the file '/etc/hostname'"),
    "method": (
        configured(lambda table: layer(table, 2, class_name="InstanceMethod")),
        "is a InstanceMethod, which calls",
    ),
    "module": (configured(lambda table: layer(table, 2, module="os")), "of the module 'os'"),
    "itself": (configured(itself), "which can never be called"),
    "vast": (configured(vast), "its layers ask for the weight"),
    "lambda": (configured(lambda table: layer(table, 2, class_name="Lambda")), "Lambda, which carries code"),
}


def changed(plain: bytes, deed: Callable[[Any, Path], None], folder: Path) -> Any:
    import h5py

    (folder / "secret").write_bytes(b"the terminal's own" * 100)
    path = folder / "network.h5"
    path.write_bytes(plain)
    with h5py.File(path, "a") as file:
        deed(file, folder / "secret")
    return replace(clients.job(), network=path.read_bytes())


@pytest.mark.parametrize("name", BAD)
def test_what_leads_out_of_the_file_is_refused(name: str, plain: bytes, tmp_path: Path) -> None:
    deed, said = BAD[name]
    job = changed(plain, deed, tmp_path)
    with pytest.raises(UserError, match=said):
        network_of(job)


def test_a_file_that_holds_itself_ends(plain: bytes, tmp_path: Path) -> None:
    assert network_of(changed(plain, circle, tmp_path)).model.count_params()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_what_is_no_network_is_said(content: bytes) -> None:
    with pytest.raises(UserError, match="is damaged"):
        network_of(replace(clients.job(), network=content))


def test_arithmetic_of_tensorflow_still_travels() -> None:
    keras, tf = backend.keras(), backend.tensorflow()
    image = keras.Input((8, 8, 1))
    summed = tf.reduce_mean(tf.nn.relu(keras.layers.Conv2D(3, 3)(image) * 2.0 + 1.0)[:, 1:], (1, 2))
    made = keras.Model(image, keras.layers.Dense(3)(summed))
    assert network_of(replace(clients.job(), network=network_bytes(made))).model.count_params()
