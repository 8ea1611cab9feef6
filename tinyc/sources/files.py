"""Saved networks, told apart by what is in them and not by their names.

| what | how it is known |
|---|---|
| HDF5 of Keras | the first bytes; `keras_version` and `model_config` among its attributes |
| .keras of Keras 2 or 3 | a zip with metadata.json, which names the version |
| SavedModel | a folder with saved_model.pb |
"""

from __future__ import annotations

import importlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tinyc import backend
from tinyc.errors import TinycError, UserError
from tinyc.sources import checks, keras3
from tinyc.sources.flatten import flat
from tinyc.sources.logits import cut_softmax, refuse_probabilities

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK"
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt")
LAMBDA_IN_METADATA = re.compile(rb'"class_name"\s*:\s*"Lambda"')
AGAIN = "save the network again, or give `build` with `weights`"


def read(path: Path, where: str, custom: Mapping[str, type] | None = None) -> Any:
    """Read a saved network and make it a flat functional network of logits; nothing in the file is run.

    Args:
        path: an HDF5 file, a .keras file of Keras 2 or 3, or a SavedModel folder.
        where: the key that names it, for messages.
        custom: the layer classes, by name, that an HDF5 file of our own may hold.

    Raises:
        UserError: no such file, a damaged one, one that carries code (Lambda, pickle), or one that cannot be converted.
        MachineError: the conversion from Keras 3 could not run.
    """
    importlib.import_module("tinyc.blocks")  # where its layers get known to Keras by name

    place = f"{where} ({path})"
    model = load(path, place, custom) if custom else open_file(path, place)
    checks.is_network(model, place)
    if not checks.has_graph(model):
        raise UserError(place, "holds a subclassed model, whose code is not in the file", "give `build` with `weights`")
    checks.refuse_code(model, place)
    model = cut_softmax(flat(model, place), place)
    refuse_probabilities(model, place)
    return model


def open_file(path: Path, place: str) -> Any:
    """Load a network by the kind of its content."""
    if path.is_dir():
        return open_saved_model(path, place)
    try:
        with path.open("rb") as stream:
            first = stream.read(len(HDF5))
    except OSError as error:
        raise UserError(place, f"cannot be read: {error.strerror}", "check the path and its permissions") from error
    if first == HDF5:
        return open_hdf5(path, place)
    if path.suffix in PICKLES:
        raise UserError(
            place, f"a {path.suffix} file can run code when it is opened", "save the network as .keras or .h5"
        )
    if first.startswith(ZIP):
        return open_keras(path, place)
    raise UserError(place, "is neither HDF5, nor a .keras file, nor a SavedModel folder", AGAIN)


def open_hdf5(path: Path, place: str) -> Any:
    """Load HDF5 that Keras 2 wrote; convert what Keras 3 wrote."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
            version = str(as_text(file.attrs.get("keras_version", "")))
    except (OSError, RuntimeError) as error:
        raise UserError(place, f"is damaged: {error}", AGAIN) from error
    if config is None:
        raise UserError(place, "holds weights without a network", "give `build`, and this file as `weights`")
    try:
        table = json.loads(as_text(config))
    except ValueError as error:
        raise UserError(place, f"is damaged: {error}", AGAIN) from error
    refuse_lambda(table, place)
    return keras3.convert(path, place) if version.startswith("3") else load(path, place)


def open_keras(path: Path, place: str) -> Any:
    """Load a .keras of Keras 2; convert one of Keras 3."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            metadata = json.loads(archive.read("metadata.json"))
            config = json.loads(archive.read("config.json"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(place, f"is no whole .keras file: {error}", AGAIN) from error
    if broken:
        raise UserError(place, f"is damaged: {broken} does not match its checksum", AGAIN)
    refuse_lambda(config, place)
    newer = str(metadata.get("keras_version", "")).startswith("3")
    return keras3.convert(path, place) if newer else load(path, place)


def open_saved_model(path: Path, place: str) -> Any:
    """Load a SavedModel that Keras 2 wrote."""
    if not (path / "saved_model.pb").is_file():
        raise UserError(place, "is a folder without saved_model.pb", "give a SavedModel folder, or a .keras file")
    metadata = path / "keras_metadata.pb"
    if not metadata.is_file():
        raise UserError(place, "holds a graph without Keras layers", "save the network from Keras as .keras or .h5")
    if LAMBDA_IN_METADATA.search(metadata.read_bytes()):
        raise checks.code_error(place, "in the SavedModel")
    return load(path, place)


def load(path: Path, place: str, custom: Mapping[str, type] | None = None) -> Any:
    """Let Keras 2 load what was checked to be its own."""
    try:
        return backend.keras().models.load_model(path, custom, compile=False, safe_mode=True)
    except TinycError:
        raise
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(place, f"Keras cannot load it: {first}", AGAIN) from error


def refuse_lambda(config: Any, place: str) -> None:
    """Refuse a configuration with a Lambda layer at any depth, before anything is built from it."""
    for table in tables(config):
        if table.get("class_name") in checks.CODE:
            inner = table.get("config")
            raise checks.code_error(place, str(inner.get("name", "?")) if isinstance(inner, dict) else "?")


def tables(value: Any) -> Iterator[dict[str, Any]]:
    """All tables inside a JSON value."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from tables(item)


def as_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
