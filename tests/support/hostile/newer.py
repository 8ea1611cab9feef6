"""Networks of Keras 3, which are converted in a process of their own, and files that lie about their Keras."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import h5py

from support.hostile.blank import Network, Table
from support.hostile.case import Case
from support.hostile.classes import MODULE, code, writing
from support.hostile.ground import Ground
from support.hostile.parts import named, thing
from support.hostile.writing import variables, written, zipped


def tensor(name: str, shape: list[Any]) -> Table:
    config = {"shape": shape, "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def layer(kind: str, config: Table, inbound: list[Any], module: str = "keras.layers", **more: Any) -> Table:
    nodes = [{"args": inbound, "kwargs": {}}] if inbound else []
    table = {"module": module, "class_name": kind, "config": config, "registered_name": None}
    return {**table, "name": config["name"], "inbound_nodes": nodes, **more}


def network(victim: Table, head: Table | None = None) -> Table:
    """image -> victim -> flatten -> logits, as Keras 3 stores it."""
    image = {"batch_shape": [None, 8, 8, 1], "dtype": "float32", "sparse": False, "name": "image"}
    dense = {"name": "logits", "units": 3, "activation": "linear", "use_bias": True, **(head or {})}
    layers = [
        layer("InputLayer", image, []),
        victim,
        layer("Flatten", {"name": "flatten", "data_format": "channels_last"}, [tensor("victim", [None, 8, 8, 1])]),
        layer("Dense", dense, [tensor("flatten", [None, 64])]),
    ]
    config = {
        "name": "net", "trainable": True, "layers": layers,
        "input_layers": [["image", 0, 0]], "output_layers": [["logits", 0, 0]],
    }  # fmt: skip
    return {"module": "keras", "class_name": "Functional", "config": config, "registered_name": "Functional"}


def victim(kind: str, module: str = "keras.layers", **config: Any) -> Table:
    return layer(kind, {"name": "victim", **config}, [tensor("image", [None, 8, 8, 1])], module)


def stored(build: Callable[[Ground], Table], version: str = "3.5.0") -> Callable[[Ground, str], None]:
    """A Keras 3 network as .keras or .h5."""

    def write(ground: Ground, form: str) -> None:
        config = json.dumps(build(ground))
        path = ground.network(form)
        if form == "keras":
            said = json.dumps({"keras_version": version, "date_saved": "2026-01-01@00:00:00"})
            parts = [("metadata.json", said.encode()), ("config.json", config.encode())]
            zipped(path, [*parts, ("model.weights.h5", variables())])
            return
        with h5py.File(path, "w") as file:
            file.attrs.update(model_config=config, keras_version=version, backend="tensorflow")
            file.create_group("model_weights").attrs["layer_names"] = []

    return write


def bytecode(ground: Ground) -> Table:
    function = {"class_name": "__lambda__", "config": {"code": code(ground)[0], "defaults": None, "closure": None}}
    return network(victim("Lambda", function=function, arguments={}))


def claiming(version: str) -> Callable[[Ground], Network]:
    return lambda ground: Network(writing(ground), version=version)


def words(ground: Ground) -> Table:
    return network(victim("StringLookup", vocabulary=str(ground.secret)))


BOTH = ("h5", "keras")
NEWER = (
    Case("three_lambda", "bytecode", stored(bytecode), "Lambda|__lambda__", BOTH),
    Case("three_module", "imports a module", stored(lambda _: network(victim("X", MODULE))), MODULE, BOTH),
    Case("three_os", "a command as a layer", stored(lambda _: network(victim("system", "os"))), "system", BOTH),
    Case("three_activation", "a command as an activation",
         stored(lambda _: network(victim("ReLU"), {"activation": named("os", "system")})), "system", BOTH),
    Case("three_get_file", "get_file as an activation",
         stored(lambda _: network(victim("ReLU"), {"activation": named("keras.utils", "get_file")})), "get_file", BOTH),
    Case("three_saving", "reads any file",
         stored(lambda _: network(victim("load_model", "keras.src.saving.saving_lib"))), "load_model", BOTH),
    Case("three_torch", "unpickles", stored(lambda _: network(victim("TorchModuleWrapper", module_="x"))),
         "TorchModuleWrapper", BOTH),
    Case("three_lookup", "reads a file as its words", stored(words), "StringLookup", BOTH),
    Case("three_initializer", "a command as an initializer",
         stored(lambda _: network(victim("ReLU"), {"kernel_initializer": thing("os", "system")})), "system", BOTH),
    Case("three_is_two", "a network of Keras 2 that says to be of Keras 3", written(claiming("3.5.0")), "write_file",
         BOTH, BOTH),
    Case("two_is_three", "a network of Keras 3 that says to be of Keras 2", stored(bytecode, "2.15.0"),
         "Lambda|__lambda__", BOTH),
    Case("one", "says to be of a Keras that never was", written(claiming("1.2.0")), "write_file", BOTH, BOTH),
    Case("version_table", "a version that is not text", written(lambda ground: Network(
        writing(ground), version="[3]")), "write_file", BOTH, BOTH),
)  # fmt: skip
