"""The gate before a saved network is read: what comes through it runs no code and reaches no other file.

What is read later is a private copy, made once, and the gate reads that same copy; so nothing can change in between.
TensorFlow is not imported here.

| what | how it is known |
|---|---|
| HDF5 of Keras | the first bytes; `keras_version` and `model_config` among its attributes |
| .keras of Keras 2 or 3 | a zip with metadata.json, which names the version |
| SavedModel | a folder with saved_model.pb |
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tinyc.errors import UserError
from tinyc.sources import gate_hdf5, gate_json, gate_network, gate_saved_model, gate_zip
from tinyc.sources.gate_names import Rules

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK"
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt")
AGAIN = gate_zip.AGAIN
Kind = Literal["h5", "keras", "saved_model"]


@dataclass(frozen=True)
class Admitted:
    """A saved network that the gate let through.

    Attributes:
        kind: of its content, which need not be that of its name.
        path: the private copy, with the suffix of its kind: .h5, .keras, or a folder with a SavedModel's variables.
        newer: it is of Keras 3.
        config: `class_name` and `config` of the network, as parsed JSON.
    """

    kind: Kind
    path: Path
    newer: bool
    config: Any


@contextmanager
def admitted(path: Path, place: str, own: frozenset[str] = frozenset(), ours: bool = False) -> Iterator[Admitted]:
    """Copy a saved network, and let the copy through if it names nothing that runs, reads or writes.

    Args:
        place: what the file is called in messages.
        own: names under which the recipe's own code has registered classes and functions, for a stored network.
        ours: the file is one that tinyc wrote, so HDF5 of Keras 2.

    Raises:
        UserError: no such file, a damaged one, one with code, or one that reaches out of itself; says what and where.
    """
    with tempfile.TemporaryDirectory(prefix="tinyc-network-") as folder:
        scratch = Path(folder)
        if path.is_dir() and not ours:
            yield of_saved_model(path, scratch, place, own)
            return
        copy = private_copy(path, scratch / "network", place)
        with copy.open("rb") as stream:
            first = stream.read(len(HDF5))
        if ours and first != HDF5:
            raise UserError(place, "is damaged: it is no HDF5 of Keras 2", "make it again with the same tinyc")
        if first == HDF5:
            found = of_hdf5(copy.rename(scratch / "network.h5"), place, own)
        elif path.suffix in PICKLES:
            problem = f"a {path.suffix} file can run code when it is opened"
            raise UserError(place, problem, "save the network as .keras or .h5")
        elif first.startswith(ZIP):
            found = of_keras(copy.rename(scratch / "network.keras"), scratch, place, own)
        else:
            raise UserError(place, "is neither HDF5, nor a .keras file, nor a SavedModel folder", AGAIN)
        if ours and found.newer:
            version = "is of Keras 3, and tinyc writes Keras 2"
            raise UserError(place, version, "make it again with the same tinyc")
        yield found


def examine(path: Path, where: str) -> None:
    """Refuse a saved network that the gate does not let through, and import nothing for it.

    Args:
        where: the key that names it, for messages.

    Raises:
        UserError: as `admitted`.
    """
    with admitted(path, f"{where} ({path})"):
        pass


@contextmanager
def admitted_weights(path: Path, place: str) -> Iterator[Path]:
    """Copy a file of weights, and give the copy, under the same name, if it holds numbers and nothing else.

    Raises:
        UserError: it cannot be read, or is HDF5 that reaches out of itself.
    """
    with tempfile.TemporaryDirectory(prefix="tinyc-weights-") as folder:
        copy = private_copy(path, Path(folder) / path.name, place)
        if path.suffix in (".h5", ".hdf5"):
            found = gate_hdf5.problem(copy)
            if found:
                raise UserError(place, found, "save the weights again with Keras 2")
        elif path.suffix == ".npz":
            gate_zip.refuse_bomb(copy, place)
        yield copy


def private_copy(path: Path, copy: Path, place: str) -> Path:
    """Copy a plain file once; what is read from then on is the copy."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise UserError(place, "is no plain file", "give the path of a saved network")
            with copy.open("xb") as kept:
                shutil.copyfileobj(stream, kept, 1 << 20)
    except OSError as error:
        raise UserError(place, f"cannot be read: {error.strerror}", "check the path and its permissions") from error
    return copy


def of_hdf5(copy: Path, place: str, own: frozenset[str]) -> Admitted:
    """Let HDF5 of Keras through."""
    found = gate_hdf5.problem(copy) or ("is HDF5 and a zip in one file" if zipfile.is_zipfile(copy) else None)
    if found:
        raise UserError(place, found, AGAIN)
    with gate_hdf5.library().File(copy, "r") as file:
        config, version = text(file.attrs.get("model_config")), text(file.attrs.get("keras_version")) or ""
    if config is None:
        raise UserError(place, "holds weights without a network", "give `build`, and this file as `weights`")
    return checked("h5", copy, parsed(config, place), version, place, own)


def text(value: Any) -> str | None:
    """Give an attribute as Keras reads it: text, or the bytes of UTF-8."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value if isinstance(value, str) else None


def of_keras(copy: Path, scratch: Path, place: str, own: frozenset[str]) -> Admitted:
    """Let a .keras through."""
    metadata, config = gate_zip.texts(copy, place)
    table = parsed(metadata, place)
    version = str(table.get("keras_version", "")) if isinstance(table, dict) else ""
    found = checked("keras", copy, parsed(config, place), version, place, own)
    gate_zip.refuse_weights(copy, scratch, place)
    return found


def of_saved_model(path: Path, scratch: Path, place: str, own: frozenset[str]) -> Admitted:
    """Let the layers and variables of a SavedModel through; its graphs are not read at all."""
    table = gate_saved_model.network(path, scratch, private_copy, place)
    found = checked("saved_model", scratch, table, "2", place, own)
    try:
        layers = gate_saved_model.layers(scratch)
    except ValueError as error:
        raise UserError(place, f"is damaged: {error}", AGAIN) from error
    for layer in layers.values():
        described = {key: layer[key] for key in gate_saved_model.KEPT if key in layer}
        gate_network.check_layer(described, Rules(place, own))
    return found


def checked(kind: Kind, copy: Path, table: Any, version: str, place: str, own: frozenset[str]) -> Admitted:
    newer = version.startswith("3")
    gate_network.check(table, Rules(place, own, newer))
    return Admitted(kind, copy, newer, table)


def parsed(content: str | bytes, place: str) -> Any:
    try:
        return gate_json.parse(content)
    except ValueError as error:
        raise UserError(place, f"is damaged: {error}", AGAIN) from error
