"""A network in three formats, written without TensorFlow: .h5, .keras, and the metadata of a SavedModel."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from support.hostile.blank import Network, Table, configuration, in_modules
from support.hostile.case import Write
from support.hostile.ground import Ground

KERNEL = np.random.default_rng(0).standard_normal((64, 3)).astype("f4")
BIAS = np.zeros(3, "f4")


def written(build: Callable[[Ground], Network]) -> Write:
    """Write a network in any of the formats."""

    def write(ground: Ground, form: str) -> None:
        WRITERS[form](ground.network(form), build(ground), ground)

    return write


def write_h5(path: Path, network: Network, _: Ground) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update(backend="tensorflow", keras_version=network.version)
        file.attrs["model_config"] = network.text(json.dumps(configuration(network)))
        weights = file.create_group("model_weights")
        names = ["image", "victim", "flatten", "logits"]
        weights.attrs.update(layer_names=names, backend="tensorflow", keras_version=network.version)
        for name in names[:-1]:
            weights.create_group(name).attrs["weight_names"] = np.zeros(0)
        last = weights.create_group("logits")
        last.attrs["weight_names"] = ["logits/kernel:0", "logits/bias:0"]
        last["logits/kernel:0"], last["logits/bias:0"] = KERNEL, BIAS


def variables() -> bytes:
    """What a .keras holds as model.weights.h5."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        held = file.create_group("layers/dense/vars")
        held["0"], held["1"] = KERNEL, BIAS
        for name in ("vars", "layers/flatten/vars", "layers/input_layer/vars", "layers/tf_op_lambda/vars"):
            file.create_group(name)
    return stream.getvalue()


def members(network: Network) -> list[tuple[str, bytes]]:
    """The members of a .keras, in Keras' order."""
    said = {"keras_version": network.version, "date_saved": "2026-01-01@00:00:00"}
    config = network.text(json.dumps(in_modules(configuration(network))))
    return [
        ("metadata.json", json.dumps(said).encode()),
        ("config.json", config.encode()),
        ("model.weights.h5", variables()),
    ]


def zipped(path: Path, parts: Sequence[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts:
            archive.writestr(zipfile.ZipInfo(name), content)


def write_keras(path: Path, network: Network, _: Ground) -> None:
    zipped(path, members(network))


def write_saved(path: Path, network: Network, ground: Ground) -> None:
    """Change the metadata of a SavedModel that Keras wrote."""
    shutil.copytree(ground.templates / "plain", path)
    (path / "keras_metadata.pb").write_bytes(saved_metadata(network, ground.templates))


def saved_metadata(network: Network, templates: Path) -> bytes:
    """The metadata of the template with the victim and the head of a network, in the wire format of protobuf."""
    nodes = json.loads((templates / "nodes.json").read_text())
    layers = {each["name"]: each for each in configuration(network)["config"]["layers"]}
    return b"".join(saved_node(number, node, network, layers) for number, node in enumerate(nodes))


def saved_node(number: int, node: Table, network: Network, layers: Mapping[str, Table]) -> bytes:
    """One node: SavedObject of saved_metadata.proto, as a field 1 of SavedMetadata."""
    told = json.loads(node["metadata"].replace('"tf.identity"', '"victim"'))
    if node["path"] == "root":
        for config in (told["config"], told["model_config"]["config"]):
            config["layers"] = [layers[each["name"]] if each["name"] in CHANGED else each for each in config["layers"]]
        told |= network.top
    elif told["name"] in CHANGED:
        told |= layers[told["name"]]
    texts = [node["path"], node["identifier"], network.text(json.dumps(told))]
    body = b"\x10" + varint(number) + b"".join(chunk(tag, text.encode()) for tag, text in enumerate(texts, start=3))
    return chunk(1, body + chunk(6, b"\x08\x02\x10\x01"))


def chunk(tag: int, content: bytes) -> bytes:
    return varint(tag << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


CHANGED = ("victim", "logits")
WRITERS = {"h5": write_h5, "keras": write_keras, "saved": write_saved}
