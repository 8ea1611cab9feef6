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
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tinyc.core import files, limits
from tinyc.core.errors import MachineError, UserError
from tinyc.network.gate import archive, hdf5, json_text, network, saved_model
from tinyc.network.gate.names import Rules

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK"
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt")
AGAIN = archive.AGAIN
Kind = Literal["h5", "keras", "saved_model"]


@dataclass(frozen=True)
class Admitted:
    """A saved network that the gate let through.

    Attributes:
        kind: of its content, which need not be that of its name.
        path: the private copy, with the suffix of its kind: .h5, .keras, or a folder with a SavedModel's variables.
        newer: it is of Keras 3.
        config: `class_name` and `config` of the network, as parsed JSON.
        held: how many numbers the file's arrays have; 0 for a SavedModel, whose variables are counted when it is read.
    """

    kind: Kind
    path: Path
    newer: bool
    config: Any
    held: int = 0


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
        if os.path.isdir(path) and not ours:
            yield of_saved_model(path, scratch, place, own)
            return
        copy = private_copy(path, scratch / "network", place)
        with copy.open("rb") as stream:
            first = stream.read(len(HDF5))
        if ours and first != HDF5:
            raise UserError(place, "is damaged: it is not HDF5 of Keras 2", "make it again with the same tinyc")
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

    Of a .keras file the copy holds the weights alone.

    Raises:
        UserError: it cannot be read, or is HDF5 that reaches out of itself.
    """
    with tempfile.TemporaryDirectory(prefix="tinyc-weights-") as folder:
        copy = private_copy(path, Path(folder) / path.name, place)
        if path.suffix in (".h5", ".hdf5"):
            try:
                hdf5.count_numbers(copy)
            except ValueError as error:
                raise UserError(place, str(error), "save the weights again with Keras 2") from error
        elif path.suffix == ".npz":
            archive.refuse_bomb(copy, place)
        elif path.suffix == ".keras":
            archive.texts(copy, place)
            copy, _ = archive.unpacked(copy, Path(folder), place)
        yield copy


def private_copy(path: Path, copy: Path, place: str) -> Path:
    """Copy a regular file once; what is read from then on is the copy."""
    try:
        with files.opened(path, limits.NETWORK_BYTES, place) as stream, copy.open("xb") as kept:
            while chunk := stream.read(1 << 20):
                kept.write(chunk)
                if kept.tell() > limits.NETWORK_BYTES:  # a file of /proc says that it has no bytes
                    raise files.too_large(place, "more than it says", limits.NETWORK_BYTES)
    except OSError as error:
        raise MachineError(place, f"cannot be copied: {error.strerror}", "make room for temporary files") from error
    return copy


def of_hdf5(copy: Path, place: str, own: frozenset[str]) -> Admitted:
    """Let HDF5 of Keras through."""
    if zipfile.is_zipfile(copy):
        raise UserError(place, "is HDF5 and a zip in one file", AGAIN)
    try:
        held = hdf5.count_numbers(copy)
        config, version = hdf5.texts(copy, "model_config", "keras_version")
    except ValueError as error:
        raise UserError(place, str(error), AGAIN) from error
    if config is None:
        raise UserError(place, "holds weights without a network", "give `build`, and this file as `weights`")
    return replace(checked("h5", copy, parsed(config, place), version or "", place, own), held=held)


def of_keras(copy: Path, scratch: Path, place: str, own: frozenset[str]) -> Admitted:
    """Let a .keras through."""
    metadata, config = archive.texts(copy, place)
    table = parsed(metadata, place)
    version = str(table.get("keras_version", "")) if isinstance(table, dict) else ""
    found = checked("keras", copy, parsed(config, place), version, place, own)
    return replace(found, held=archive.weights(copy, scratch, place))


def of_saved_model(path: Path, scratch: Path, place: str, own: frozenset[str]) -> Admitted:
    """Let the layers and variables of a SavedModel through; its graphs are not read at all."""
    table = saved_model.network(path, scratch, private_copy, place)
    found = checked("saved_model", scratch, table, "2", place, own)
    try:
        layers = saved_model.layers(scratch)
    except ValueError as error:
        raise UserError(place, f"is damaged: {error}", AGAIN) from error
    for layer in layers.values():
        described = {key: layer[key] for key in saved_model.KEPT if key in layer}
        network.check_layer(described, Rules(place, own))
    return found


def checked(kind: Kind, copy: Path, table: Any, version: str, place: str, own: frozenset[str]) -> Admitted:
    newer = version.startswith("3")
    network.check_network(table, Rules(place, own, newer))
    return Admitted(kind, copy, newer, table)


def parsed(content: str | bytes, place: str) -> Any:
    try:
        return json_text.parse(content)
    except ValueError as error:
        raise UserError(place, f"is damaged: {error}", AGAIN) from error
