"""The configuration of an innocent network as Keras 2 writes it, with one layer left to fill in.

image (8, 8, 1) -> victim -> flatten -> logits (3). A case gives the victim, or changes another part.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Table = dict[str, Any]
OPS = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty")
HOMES = {
    **dict.fromkeys(OPS, ("tf_keras.src.layers.core.tf_op_layer", True)),
    "Functional": ("tf_keras.src.engine.functional", True),
    "Sequential": ("keras", False),
}
"""Module of a class in a .keras, and whether it stands there under a registered name."""
VERSION = "2.19.0"
FROM_IMAGE = [[["image", 0, 0, {}]]]


def same(text: str) -> str:
    return text


@dataclass(frozen=True)
class Network:
    """What a case puts into the innocent network.

    Attributes:
        victim: the second layer's table: class_name, config, inbound_nodes.
        head: changes to the config of the last layer, Dense.
        top: changes to the table of the whole network.
        text: changes the JSON once it is written.
        version: what the file says of the Keras that wrote it.
    """

    victim: Table
    head: Table = field(default_factory=dict)
    top: Table = field(default_factory=dict)
    text: Callable[[str], str] = same
    version: str = VERSION


def layer(kind: str, config: Mapping[str, Any], inbound: Any = FROM_IMAGE, **more: Any) -> Table:
    """The table of a layer named as its config says, else `victim`."""
    config = {"name": "victim", "trainable": True, "dtype": "float32", **config}
    return {"class_name": kind, "config": config, "name": config["name"], "inbound_nodes": inbound, **more}


def inner(kind: str, config: Mapping[str, Any], **more: Any) -> Table:
    """The table of a layer inside another layer's configuration."""
    module, registered = HOMES.get(kind, ("keras.layers", False))
    named = {"name": kind.lower(), "trainable": True, "dtype": "float32", **config}
    return {
        "module": module,
        "class_name": kind,
        "config": named,
        "registered_name": (registered and kind) or None,
    } | more


def identity(name: str = "victim") -> Table:
    return layer("TFOpLambda", {"name": name, "function": "identity"}, [["image", 0, 0, {}]])


def image(name: str = "image") -> Table:
    config = {"batch_input_shape": [None, 8, 8, 1], "dtype": "float32", "sparse": False, "ragged": False, "name": name}
    return {"class_name": "InputLayer", "config": config, "name": name, "inbound_nodes": []}


def nothing(kind: str) -> Table:
    return {"module": "keras.initializers", "class_name": kind, "config": {}, "registered_name": None}


def dense(changes: Mapping[str, Any]) -> Table:
    regular = ("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint")
    config = {
        "name": "logits", "units": 3, "activation": "linear", "use_bias": True,
        "kernel_initializer": nothing("GlorotUniform"), "bias_initializer": nothing("Zeros"),
        **dict.fromkeys(regular), **changes,
    }  # fmt: skip
    return layer("Dense", config, [[["flatten", 0, 0, {}]]])


def configuration(network: Network) -> Table:
    """The whole network's table as an HDF5 file holds it."""
    node = int(network.victim["class_name"] == "Functional")  # a network's own node is its first
    flatten = layer("Flatten", {"name": "flatten", "data_format": "channels_last"}, [[["victim", node, 0, {}]]])
    layers = [image(), copy.deepcopy(network.victim), flatten, dense(network.head)]
    config = {
        "name": "net", "trainable": True, "layers": layers,
        "input_layers": [["image", 0, 0]], "output_layers": [["logits", 0, 0]],
    }  # fmt: skip
    return {"class_name": "Functional", "config": config, **network.top}


def in_modules(table: Table) -> Table:
    """The same as a .keras file holds it: every layer with its module, unless the case has set one."""

    def housed(each: Table) -> Table:
        module, registered = HOMES.get(str(each.get("class_name")), ("keras.layers", False))
        return {"module": module, "registered_name": each.get("class_name") if registered else None, **each}

    config = {**table["config"], "layers": [housed(each) for each in table["config"]["layers"]]}
    return housed({**table, "config": config})
