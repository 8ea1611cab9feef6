"""Keras 3 files made Keras 2 networks: layer by layer, and only if both give the same outputs.

A process with Keras 3 reads the file (`keras3_dump`); here the layers of the same names are built in Keras 2, get the
weights, and must agree on random inputs. What has no counterpart is refused by name; nothing is guessed.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyc.core import limits
from tinyc.core.errors import MachineError, UserError
from tinyc.network import backend

DUMP = Path(__file__).with_name("keras3_dump.py")
PATIENCE_SECONDS = 600
TOLERANCE = 1e-4
LONGEST_REASON = 500
NO_PLUGINS = {"HDF5_PLUGIN_PRELOAD": "::"}
"""Keeps HDF5 from loading filters: its own word for none."""
RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}}
ALWAYS = ("name", "trainable")
NETWORKS = ("Functional", "Sequential")
REMEDY = "save it with tf_keras (Keras 2), or give `build` with `weights`"


def convert(path: Path, held: int, place: str) -> Any:
    """Give the Keras 2 network of a Keras 3 file, whose arrays have `held` numbers.

    Raises:
        UserError: Keras 3 refuses the file, a layer has no counterpart, or the outputs differ.
        MachineError: no process with Keras 3 could be run.
    """
    stored = dump(path, held, place)
    try:
        model = build(json.loads(stored["config"].tobytes()), place)
        set_weights(model, stored, "", place)
    except UserError:
        raise
    except Exception as error:
        raise UserError(place, f"cannot be converted from Keras 3: {error}", REMEDY) from error
    compare(model, stored, place)
    return model


def dump(path: Path, held: int, place: str) -> dict[str, Any]:
    """Have Keras 3 read the file in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "network.npz"
        keras = {"TF_USE_LEGACY_KERAS": "0", "KERAS_BACKEND": "tensorflow", "KERAS_HOME": folder, **NO_PLUGINS}
        most = held, limits.SPARE_WEIGHTS, limits.ACTIVATION_VALUES
        environment = {**os.environ, **backend.QUIET, **keras}
        command = [sys.executable, "-P", str(DUMP), str(path), str(out), *map(str, most)]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MachineError(place, f"the process that reads Keras 3 files failed: {error}", "try again") from error
        if done.returncode < 0:
            raise MachineError(place, f"the process that reads Keras 3 files died of signal {-done.returncode}", REMEDY)
        if done.returncode or not out.exists():
            raise UserError(place, f"Keras 3 cannot load it: {last_line(done.stderr)}", REMEDY)
        with np.load(out, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


def last_line(text: str) -> str:
    """Return the exception of a traceback, without the advice below it."""
    lines = [line for line in text.splitlines() if line and not line.startswith((" ", "\t"))]
    errors = [line for line in lines if "Error" in line.partition(":")[0]]
    return (errors or lines or ["no reason given"])[-1][:LONGEST_REASON]


def build(table: Mapping[str, Any], place: str) -> Any:
    """Build a functional or sequential network from a Keras 3 configuration."""
    config = table["config"]
    if table["class_name"] == "Sequential":
        layers = [build_layer(layer, place) for layer in config["layers"]]
        return backend.keras().Sequential(layers, name=config["name"])
    tensors: dict[str, list[Any]] = {}
    layers_by_name = {layer["name"]: build_layer(layer, place) for layer in config["layers"]}
    for layer in in_order(config["layers"]):
        name = layer["name"]
        built = layers_by_name[name]
        if not layer["inbound_nodes"]:
            tensors[name] = [built.output]
        for node in layer["inbound_nodes"]:
            tensors.setdefault(name, []).append(call(built, node, tensors, name, place))
    inputs, outputs = (ends(config[key], tensors) for key in ("input_layers", "output_layers"))
    return backend.keras().Model(inputs, outputs, name=config["name"])


def in_order(layers: list[Any]) -> list[Any]:
    """Put layers after all that they read from."""
    waiting, ordered = list(layers), []
    known: set[str] = set()
    while waiting:
        ready = [layer for layer in waiting if sources_of(layer["inbound_nodes"]) - {layer["name"]} <= known]
        if not ready:
            raise ValueError("its layers read from each other in a circle")
        ordered += ready
        known |= {layer["name"] for layer in ready}
        waiting = [layer for layer in waiting if layer["name"] not in known]
    return ordered


def sources_of(value: Any) -> set[str]:
    """Names of the layers whose tensors stand anywhere in a JSON value."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return {value["config"]["keras_history"][0]}
        value = list(value.values())
    return set().union(*(sources_of(item) for item in value)) if isinstance(value, list) else set()


def call(built: Any, node: Mapping[str, Any], tensors: Mapping[str, list[Any]], name: str, place: str) -> Any:
    """Repeat one call on tensors or lists of them; Keras 3 sets `training` anew at each call, so it is left out."""
    others = [key for key, value in node["kwargs"].items() if key not in ("training", "mask") and value is not None]
    if others:
        raise UserError(place, f"layer {name!r} is called with {', '.join(others)}, which is not converted", REMEDY)
    return built(*[tensor(value, tensors) for value in node["args"]])


def tensor(value: Any, tensors: Mapping[str, list[Any]]) -> Any:
    if isinstance(value, list):
        return [tensor(item, tensors) for item in value]
    layer, node, _ = value["config"]["keras_history"]
    return tensors[layer][node]


def ends(value: Any, tensors: Mapping[str, list[Any]]) -> Any:
    """Return the tensors of `input_layers` or `output_layers`: one [layer, node, tensor], or a list of them."""
    if isinstance(value[0], str):
        return tensors[value[0]][value[1]]
    return [tensors[layer][node] for layer, node, _ in value]


def build_layer(table: Mapping[str, Any], place: str) -> Any:
    """Build the Keras 2 layer of the same class with the same settings."""
    kind, module = table["class_name"], str(table.get("module"))
    if kind in NETWORKS:
        return build(table, place)
    config = {**table["config"]}
    layer_class = getattr(backend.keras().layers, kind, None)
    if layer_class is None or not (module == "keras.layers" or module.startswith("keras.src.layers")):
        name = config.get("name", kind)
        raise UserError(place, f"{name!r} is a {kind} of {module}, which Keras 2 does not have as a layer", REMEDY)
    if kind == "InputLayer":
        return layer_class(batch_input_shape=config["batch_shape"], dtype=config["dtype"], name=config["name"])
    refuse_precision(config, place)
    return layer_class(**settings(layer_class, kind, config))


def refuse_precision(config: Mapping[str, Any], place: str) -> None:
    policy = config.get("dtype")
    name = policy["config"].get("name") if isinstance(policy, dict) else policy
    if name not in (None, "float32"):
        raise UserError(place, f"layer {config['name']!r} computes in {name}", "save the network in float32")


def settings(layer_class: Any, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the arguments that the Keras 2 class knows; initializers are spent, since the weights are given."""
    known: set[str] = set(ALWAYS)
    for parent in layer_class.__mro__:
        if "__init__" in vars(parent):
            known.update(inspect.signature(parent.__init__).parameters)
    renamed = {RENAMED.get(kind, {}).get(key, key): value for key, value in config.items()}
    return {
        key: value
        for key, value in renamed.items()
        if key in known and key != "dtype" and not key.endswith("_initializer")
    }


def set_weights(model: Any, stored: Mapping[str, Any], prefix: str, place: str) -> None:
    """Give each layer its arrays."""
    for layer in model.layers:
        if isinstance(layer, backend.keras().Model):
            set_weights(layer, stored, f"{prefix}{layer.name}/", place)
            continue
        count = sum(name.rpartition("|")[0] == f"{prefix}{layer.name}" for name in stored)
        layer.set_weights([stored[f"{prefix}{layer.name}|{index}"] for index in range(count)])


def compare(model: Any, stored: Mapping[str, Any], place: str) -> None:
    """Refuse a conversion whose outputs are not those of the original."""
    difference = float(np.abs(model(stored["probe_input"], training=False).numpy() - stored["probe_output"]).max())
    scale = max(1.0, float(np.abs(stored["probe_output"]).max()))
    if not difference <= TOLERANCE * scale:
        raise UserError(place, f"Keras 2 gives outputs that differ by {difference:.3g} from Keras 3", REMEDY)
