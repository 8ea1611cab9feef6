"""Weights that are no files, lie about their sizes, or are asked for by sizes that they do not have: one message."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import checkpoints, clients
from support import saved_tables as tables
from support.odd_places import MAKE
from support.saved_tables import layer, network

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.network import checkpoint, sources
from tinyc.network.gate import examine, saved_model
from tinyc.network.names import names_of

PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (MAKE["pipe"], "is a pipe, not a regular file|does not exist|has neither"),
    "folder": (MAKE["folder"], "is a folder, not a regular file|has neither"),
    "device": (MAKE["device"], "is a device, not a regular file|has neither"),
    "vast": (MAKE["vast"], "has 64.0 GiB; at most"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "model.safetensors"])
def test_a_checkpoint_s_file_that_is_none_is_refused(name: str, place: str, tmp_path: Path) -> None:
    make, said = PLACES[place]
    folder = checkpoints.write(tmp_path / "bert")
    (folder / name).unlink()
    make(folder / name)
    read = checkpoint.read_arrays if name.endswith("safetensors") else sources.language
    with pytest.raises(UserError, match=said):
        read(folder)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_a_file_of_weights_that_is_none_is_refused(suffix: str, place: str, tmp_path: Path) -> None:
    make, said = PLACES[place]
    path = tmp_path / f"a{suffix}"
    make(path)
    with pytest.raises(UserError, match=said), examine.admitted_weights(path, "here"):
        pass


def asking(**sizes: Any) -> dict[str, Any]:
    return {**checkpoints.BERT, **sizes}


SIZES = {
    "width": (asking(hidden_size=2**40), "hidden_size = 1099511627776 is not a whole number from 1 to 16,777,216"),
    "layers": (asking(num_hidden_layers=10**9), "num_hidden_layers = 1000000000 is not a whole number from 1 to 1,000"),
    "more layers": (asking(num_hidden_layers=900), "has no tensor 'encoder.layer.2.attention.self.query.weight'"),
    "inner": (asking(intermediate_size=1 << 24), "the whole file holds [0-9,]* numbers"),
    "pieces": (asking(vocab_size=1 << 24), "the whole file holds [0-9,]* numbers"),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_config_that_asks_for_more_than_its_weights_is_refused_before_it_is_built(name: str, tmp_path: Path) -> None:
    config, said = SIZES[name]
    folder = checkpoints.write(tmp_path / "bert")
    (folder / "config.json").write_text(json.dumps(config))
    task = replace(clients.job().task, input_shape=(8,))
    with pytest.raises(UserError, match=said):
        checkpoint.network(folder, task, "mean", lambda path: Path("models") / Path(path).name)


def test_the_limit_of_layers_is_far_above_the_largest_encoders() -> None:
    assert len(names_of(asking(num_hidden_layers=48), "x").tensors) > 48 * 6


def safetensors(header: Any, body: bytes = bytes(16), length: int | None = None) -> bytes:
    told = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(told) if length is None else length).to_bytes(8, "little") + told + body


HEADERS = {
    "a long header": safetensors({}, length=1 << 62),
    "deep": safetensors(b"[" * 100_000),
    "a list": safetensors([]),
    "beyond the file": safetensors({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}),
    "other bytes": safetensors({"a": {"dtype": "F32", "shape": [5], "data_offsets": [0, 16]}}),
    "a negative side": safetensors({"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}),
    "no type": safetensors({"a": {"dtype": "X9", "shape": [4], "data_offsets": [0, 16]}}),
    "of 8 bits": safetensors({"a": {"dtype": "F8_E4M3", "shape": [16], "data_offsets": [0, 16]}}),
    "empty": b"",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_of_safetensors_that_lies_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(HEADERS[name])
    with pytest.raises(UserError, match="is not a safetensors file, or is damaged"):
        checkpoint.read_arrays(tmp_path)


def claiming(shape: str) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(4, np.float32))
    return stream.getvalue().replace(b"(4,), }     ".ljust(12), f"({shape}), }}".encode().ljust(12))


def test_an_npz_that_unpacks_to_more_than_it_weighs_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "model.npz", np.zeros(1 << 25, np.float32))
    with pytest.raises(UserError, match=r"unpacks to 128\.0 MiB, and the file has"):
        checkpoint.read_arrays(tmp_path)
    with zipfile.ZipFile(tmp_path / "model.npz", "w") as archive:
        archive.writestr("a.npy", claiming("4<<40"))
        archive.writestr("b.npy", claiming("999999999,"))
    with pytest.raises(UserError, match="header"):
        checkpoint.read_arrays(tmp_path)


def test_hdf5_that_lists_the_same_weights_for_many_layers_is_refused(tmp_path: Path) -> None:
    """Keras reads the weights of all layers before it looks at one: here 60 times what the file holds."""
    path = tables.write_h5(tmp_path / "a.h5", network(layer("Activation", {"activation": "relu"})))
    examine.examine(path, "here")
    with h5py.File(path, "a") as file:
        group = file["model_weights"]
        for index in range(60):
            group[f"again{index}"] = group["head"]
        group.attrs["layer_names"] = ["head", *(f"again{index}" for index in range(60))]
    with pytest.raises(UserError, match="lists the same weights for several layers"):
        examine.examine(path, "here")


def test_a_list_of_weights_that_goes_on_is_counted_too(tmp_path: Path) -> None:
    path = tables.write_h5(tmp_path / "a.h5", network(layer("Activation", {"activation": "relu"})))
    with h5py.File(path, "a") as file:
        head = file["model_weights/head"]
        del head.attrs["weight_names"]
        head.attrs["weight_names0"], head.attrs["weight_names1"] = ["head/kernel:0"], ["head/bias:0"]
    examine.examine(path, "here")
    with h5py.File(path, "a") as file:
        file["model_weights/head"].attrs["weight_names2"] = ["head/bias:0"]
    with pytest.raises(UserError, match="lists the same weights"):
        examine.examine(path, "here")


def saved(folder: Path) -> Path:
    return tables.write_saved_model(folder / "saved", {"root": network(layer("Activation", {"activation": "relu"}))})


def test_a_saved_model_s_parts_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path)
    examine.examine(path, "here")
    MAKE["vast"](path / "variables" / "variables.data-00000-of-00001")
    with pytest.raises(UserError, match=r"variables\.data-00000-of-00001: has 64\.0 GiB"):
        examine.examine(path, "here")
    (path / "variables" / "variables.data-00000-of-00001").unlink()
    os.mkfifo(path / "variables" / "variables.data-00000-of-00001")
    with pytest.raises(UserError, match=r"variables\.data-00000-of-00001: is a pipe"):
        examine.examine(path, "here")
    (path / "variables" / "variables.data-00000-of-00001").unlink()
    monkeypatch.setattr(limits, "VARIABLE_FILES", 1)
    with pytest.raises(UserError, match="has 2 files; at most 1 are read"):
        examine.examine(path, "here")


def test_metadata_of_many_objects_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SAVED_OBJECTS", 3)
    with pytest.raises(ValueError, match="lists over 3 objects"):
        saved_model.root(tables.field(1, b"") * 1000)
