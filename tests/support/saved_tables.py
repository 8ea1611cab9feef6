"""Saved networks as tables and files, written without TensorFlow, with one part of them to be changed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tinyc.network.gate import graph

Table = dict[str, Any]
FROM_IMAGE = [[["image", 0, 0, {}]]]


def layer(kind: str, config: Mapping[str, Any] | None = None, name: str = "middle", nodes: Any = None) -> Table:
    """One layer of a network, as HDF5 of Keras 2 has it."""
    inner = {"name": name, **(config or {})}
    return {"class_name": kind, "config": inner, "name": name, "inbound_nodes": FROM_IMAGE if nodes is None else nodes}


def network(middle: Table, head: Mapping[str, Any] | None = None) -> Table:
    """image (4, 4, 1) -> middle -> flat -> head (3)."""
    config = {"batch_input_shape": [None, 4, 4, 1], "dtype": "float32"}
    layers = [
        layer("InputLayer", config, "image", []),
        middle,
        layer("Flatten", {}, "flat", [[["middle", 0, 0, {}]]]),
        layer("Dense", {"units": 3, "activation": "linear", **(head or {})}, "head", [[["flat", 0, 0, {}]]]),
    ]
    ends = {"input_layers": [["image", 0, 0]], "output_layers": [["head", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "net", "layers": layers, **ends}}


def operation(function: Any, kind: str = "TFOpLambda") -> Table:
    return layer(kind, {"function": function}, nodes=[["image", 0, 0, {"name": None}]])


def write_h5(path: Path, table: Any, version: Any = "2.19.0") -> Path:
    """HDF5 of Keras 2; a text is written as it is."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = table if isinstance(table, str) else json.dumps(table)
        weights = file.create_group("model_weights")
        names = ["image", "middle", "flat", "head"]
        weights.attrs["layer_names"] = names
        for name in names[:-1]:
            weights.create_group(name).attrs["weight_names"] = np.zeros(0)
        head = weights.create_group("head")
        head.attrs["weight_names"] = ["head/kernel:0", "head/bias:0"]
        head["head/kernel:0"], head["head/bias:0"] = np.ones((16, 3), "f4"), np.zeros(3, "f4")
    return path


def weights(change: Callable[[Any], None] = lambda _: None) -> bytes:
    """The weights of a .keras."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        held = file.create_group("layers/dense/vars")
        held["0"], held["1"] = np.ones((16, 3), "f4"), np.zeros(3, "f4")
        change(file)
    return stream.getvalue()


def members(table: Any, version: str = "2.19.0") -> dict[str, bytes]:
    """The members of a .keras."""
    return {
        "metadata.json": json.dumps({"keras_version": version}).encode(),
        "config.json": json.dumps(table).encode(),
        "model.weights.h5": weights(),
    }


def write_keras(path: Path, parts: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def write_saved_model(path: Path, nodes: Mapping[str, Any]) -> Path:
    """A SavedModel with the metadata of Keras; its graph and variables are of no use."""
    (path / "variables").mkdir(parents=True)
    (path / "variables" / "variables.index").write_bytes(b"")
    (path / "saved_model.pb").write_bytes(b"no graph is read")
    told = [field(3, place.encode()) + field(5, json.dumps(table).encode()) for place, table in nodes.items()]
    (path / "keras_metadata.pb").write_bytes(b"".join(field(1, b"\x10\x01" + node) for node in told))
    return path


def field(number: int, content: bytes) -> bytes:
    """A field of bytes of a protocol buffer."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def problem(config: Any, newer: bool = False) -> str | None:
    """Say what is wrong with the graph of a network; None where Keras comes to an end with it."""
    try:
        graph.check_graph(config, newer)
    except ValueError as error:
        return str(error)
    return None
