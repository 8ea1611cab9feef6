"""Sound networks of the kinds that have parts of their own: a network in a network, one of Keras 3, a loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from support import saved_tables as tables
from support import tiny
from support.saved_tables import Table, layer

HOMES = {"Functional": "keras.src.models.functional"}


def functional() -> Table:
    """image (4, 4, 1) -> middle -> flat -> head (3), as HDF5 of Keras 2 holds it."""
    return tables.network(layer("Activation", {"activation": "relu"}))


def nested() -> Table:
    """The functional network as the only layer of another one."""
    inner = {**functional(), "name": "net", "inbound_nodes": [[["outer_image", 0, 0, {}]]]}
    image = layer("InputLayer", {"batch_input_shape": [None, 4, 4, 1]}, "outer_image", [])
    ends = {"input_layers": [["outer_image", 0, 0]], "output_layers": [["net", 1, 0]]}
    return {"class_name": "Functional", "config": {"name": "outer", "layers": [image, inner], **ends}}


def as_newer(table: Table) -> Table:
    """Say a network's configuration as Keras 3 does."""
    found = housed(table)
    for each in found["config"]["layers"]:
        if "batch_input_shape" in each["config"]:
            each["config"]["batch_shape"] = each["config"].pop("batch_input_shape")
        each["inbound_nodes"] = [newer_call(node) for node in each.get("inbound_nodes", [])]
    for key in ("input_layers", "output_layers"):
        found["config"][key] = found["config"][key][0]
    return found


def newer_call(node: list[Any]) -> Table:
    """One call with a list of tensors, as Keras 3 says it."""
    made = [
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None, 4, 4, 1], "dtype": "float32", "keras_history": given[:3]},
        }
        for given in node
    ]
    return {"args": made if len(made) == 1 else [made], "kwargs": {}}


def housed(table: Table) -> Table:
    """Name every layer's module, as a .keras does."""
    kind = table["class_name"]
    found = {**table, "module": HOMES.get(kind, "keras.layers"), "config": dict(table["config"])}
    found["registered_name"] = "Functional" if kind == "Functional" else None
    if "layers" in found["config"]:
        found["config"]["layers"] = [housed(each) for each in found["config"]["layers"]]
    return found


def within(folder: Path) -> None:
    """A network in a network, as HDF5 of Keras 2."""
    path = tables.write_h5(folder / "net.h5", nested())
    with h5py.File(path, "a") as file:
        for place in (file, file["model_weights"]):
            place.attrs["backend"], place.attrs["keras_version"] = "tensorflow", "2.19.0"
        file["model_weights"].move("head", "net")
        file["model_weights/net"].attrs["weight_names"] = ["head/kernel:0", "head/bias:0"]
        file["model_weights"].create_group("outer_image").attrs["weight_names"] = np.zeros(0)
        file["model_weights"].attrs["layer_names"] = ["outer_image", "net"]


def of_keras_3(folder: Path) -> None:
    """A .keras of Keras 3."""
    parts = {**tables.members(as_newer(functional()), "3.15.1"), "model.weights.h5": tables.weights(with_empty_layers)}
    tables.write_keras(folder / "net.keras", parts)


def with_empty_layers(file: Any) -> None:
    """Keras asks for the group of a layer without weights too."""
    for name in ("vars", "layers/flatten/vars", "layers/input_layer/vars", "layers/activation/vars"):
        file.create_group(name)


def loop(folder: Path) -> None:
    """A .tflite of three graphs, of which one is a loop that counts to ten."""
    number = tiny.Plan((), "INT32", scale=0)
    ten, one = (tiny.Plan((), "INT32", np.int32(value).tobytes(), 0) for value in (10, 1))
    loop = tiny.options("WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2)
    main = tiny.Graph([number, number], [0], [1], [("WHILE", [0], [1], loop)])
    condition = tiny.Graph([number, ten, tiny.Plan((), "BOOL", scale=0)], [0], [2], [("LESS", [0, 1], [2], None)])
    body = tiny.Graph([number, one, number], [0], [2], [("ADD", [0, 1], [2], None)])
    (folder / "net.tflite").write_bytes(tiny.of_graphs(main, condition, body))
