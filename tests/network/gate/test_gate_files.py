"""What the parts of a saved network's files must be: HDF5 of numbers, a zip of three members, layers in order."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import saved_tables as tables
from support.saved_tables import layer, network, operation

from tinyc.core.errors import UserError
from tinyc.network.gate import examine, hdf5, saved_model

CLEAN = network(operation("identity"))
PARTS = tables.members(CLEAN)


def filtered(file: Any) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((4,))
    plan.set_filter(32_768 + 77, h5py.h5z.FLAG_OPTIONAL, (1,))
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(file.id, b"own", h5py.h5t.IEEE_F32LE, space, plan).write_direct_chunk((0,), bytes(16))


def outside(file: Any) -> None:
    file.create_dataset("own", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "own", (4,))
    file.create_virtual_dataset("own", layout)


def put(name: str, value: Any) -> Callable[[Any], None]:
    return lambda file: file.__setitem__(name, value)


def described(name: str, value: Any, **kind: Any) -> Callable[[Any], None]:
    return lambda file: file.attrs.create(name, value, **kind)


REFERENCES = h5py.special_dtype(ref=h5py.Reference)
HDF5: dict[str, tuple[Callable[[Any], None], str]] = {
    "outside": (outside, "'own', whose content lies in another file"),
    "virtual": (virtual, "'own', whose content lies in another file"),
    "external link": (put("own", h5py.ExternalLink("/etc/passwd", "/")), "the link 'own' to another place"),
    "soft link": (put("own", h5py.SoftLink("/elsewhere")), "the link 'own' to another place"),
    "link in a group": (put("model_weights/own", h5py.SoftLink("/elsewhere")), "the link 'own'"),
    "filter": (filtered, "packed by filter 32845"),
    "text": (put("own", ["a", "b"]), "'own', which is not an array of numbers"),
    "type": (put("own", np.dtype("f4")), "'own', which is neither a group nor numbers"),
    "table": (put("own", np.zeros(2, [("a", "f4")])), "'own', which is not an array of numbers"),
    "references": (lambda file: file.create_dataset("own", (2,), REFERENCES), "'own', which is not an array of"),
    "bomb": (
        lambda file: file.create_dataset("own", (1 << 30,), "f4", chunks=(1 << 20,), compression="gzip"),
        "unpacks to 42949",
    ),
    "reference as attribute": (
        lambda file: file.attrs.create("own", file.ref, dtype=REFERENCES),
        "the attribute 'own', which is neither",
    ),
    "table as attribute": (described("own", np.zeros(2, [("a", "f4")])), "the attribute 'own', which is neither"),
}  # fmt: skip


@pytest.mark.parametrize("name", HDF5)
def test_hdf5_that_reaches_out_is_refused(tmp_path: Path, name: str) -> None:
    change, said = HDF5[name]
    path = tables.write_h5(tmp_path / "a.h5", CLEAN)
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(UserError, match=said):
        examine.examine(path, "here")
    parts = {**PARTS, "model.weights.h5": tables.weights(change)}
    with pytest.raises(UserError, match=rf"model\.weights\.h5.*{said}"):
        examine.examine(tables.write_keras(tmp_path / "a.keras", parts), "here")


def test_plain_hdf5_comes_through(tmp_path: Path) -> None:
    path = tables.write_h5(tmp_path / "a.h5", CLEAN)
    with h5py.File(path, "a") as file:
        file.create_dataset("packed", data=np.ones((100, 100), "f2"), compression="gzip", shuffle=True, fletcher32=True)
        file["again"] = file["model_weights"]
        file["model_weights/round"] = file["/"]
        file["flags"] = np.ones(3, bool)
        file.create_dataset("none", data=h5py.Empty("f4"))
    examine.examine(path, "here")


def test_hdf5_has_nowhere_to_load_filters_from(tmp_path: Path) -> None:
    h5py.h5pl.append(bytes(tmp_path))
    h5py.File(tmp_path / "a.h5", "w").close()
    hdf5.open_hdf5(tmp_path / "a.h5").close()
    assert h5py.h5pl.size() == 0


def test_a_configuration_elsewhere_than_keras_reads_it_is_none(tmp_path: Path) -> None:
    path = tables.write_h5(tmp_path / "a.h5", CLEAN)
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["model_config"] = file.attrs["model_config"]
        file.attrs["model_config"] = [file.attrs["model_config"]]
    with pytest.raises(UserError, match="weights without a network"):
        examine.examine(path, "here")


BAD_NAMES = [
    "../marker", "/tmp/marker", "assets/../marker", "..\\marker", "CONFIG.JSON", "config.json/", "assets/a.py",
    "assets/a/../b/vocabulary.txt", "model.weights.json",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_members_that_keras_does_not_write_are_refused(tmp_path: Path, name: str) -> None:
    path = tables.write_keras(tmp_path / "a.keras", {**PARTS, name: b"x"})
    with pytest.raises(UserError, match="is not a member that Keras writes"):
        examine.examine(path, "here")


def test_members_that_keras_writes_come_through(tmp_path: Path) -> None:
    more = {"assets/": b"", "assets/layers/string_lookup/vocabulary.txt": b"a\nb"}
    examine.examine(tables.write_keras(tmp_path / "a.keras", {**PARTS, **more}), "here")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_zips_are_refused(tmp_path: Path) -> None:
    import zipfile

    path = tables.write_keras(tmp_path / "a.keras", PARTS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", json.dumps(network(operation("io.write_file"))))
    with pytest.raises(UserError, match=r"holds 'config\.json' twice"):
        examine.examine(path, "here")
    pickled = {**PARTS, "model.weights.npz": b"x"}
    with pytest.raises(UserError, match=r"'model\.weights\.npz', which can be a pickle and run code"):
        examine.examine(tables.write_keras(path, pickled), "here")
    heavy = {**PARTS, "assets/vocabulary.txt": bytes(60 << 20)}
    with pytest.raises(UserError, match="unpacks to 629"):
        examine.examine(tables.write_keras(path, heavy), "here")
    without = {name: content for name, content in PARTS.items() if name != "model.weights.h5"}
    with pytest.raises(UserError, match="is not a whole"):
        examine.examine(tables.write_keras(path, without), "here")


def test_a_hostile_configuration_is_named_though_the_weights_are_missing(tmp_path: Path) -> None:
    parts = tables.members(network(operation("load_library")))
    del parts["model.weights.h5"]
    with pytest.raises(UserError, match="load_library"):
        examine.examine(tables.write_keras(tmp_path / "a.keras", parts), "here")


def saved(folder: Path, **nodes: Any) -> Path:
    return tables.write_saved_model(folder / "a", {"root": CLEAN, **nodes})


def test_every_layer_of_a_saved_model_is_looked_at(tmp_path: Path) -> None:
    path = saved(tmp_path, **{"root.layer-1": operation("io.write_file")})
    with pytest.raises(UserError, match="write_file"):
        examine.examine(path, "here")


@pytest.mark.parametrize("part", ["keras_metadata.pb", "saved_model.pb", "variables", "variables/variables.index"])
def test_a_link_inside_a_saved_model_is_refused(tmp_path: Path, part: str) -> None:
    path = saved(tmp_path)
    (path / part).rename(tmp_path / "moved")
    (path / part).symlink_to(tmp_path / "moved")
    with pytest.raises(UserError, match=f"its {Path(part).name} is a link"):
        examine.examine(path, "here")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 of its nodes are called 'root'"),
        (b"\x0a\x7f", "it is cut off"),
        (b"\x0b", "it is not a protocol buffer"),
        (b"\xff" * 20, "it is cut off"),
        (2 * tables.field(1, tables.field(3, b"root")), "2 of its nodes are called 'root'"),
        (tables.field(1, tables.field(3, b"root") + tables.field(5, b'{"class_name": 1')), "delimiter"),
        (tables.field(1, tables.field(3, b"root") + tables.field(5, b'{"name": "x"}')), "config"),
    ],
)
def test_metadata_that_say_no_network(tmp_path: Path, content: bytes, said: str) -> None:
    path = saved(tmp_path)
    (path / "keras_metadata.pb").write_bytes(content)
    with pytest.raises(UserError, match=said):
        examine.examine(path, "here")


def test_fields_of_all_kinds_are_passed_over() -> None:
    content = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1d" + bytes(4) + tables.field(3, b"root")
    assert list(saved_model.fields(content)) == [(3, b"root")]


def layers_graph(**nodes: Any) -> dict[str, Any]:
    layers = [layer("InputLayer", {}, "image", [])]
    layers += [layer("Add", {}, name, given) for name, given in nodes.items()]
    return {"layers": layers, "input_layers": [], "output_layers": []}


def test_layers_that_wait_for_each_other_are_refused() -> None:
    """Keras would look for their inputs without end."""
    circle = layers_graph(a=[[["b", 0, 0, {}]]], b=[[["a", 0, 0, {}]]])
    assert "can never be called" in str(tables.problem(circle))
    later = layers_graph(a=[["image", 0, 0, {"y": ["b", 1, 0]}]], b=[[["image", 0, 0, {}]]])
    assert "'a', which can never be called" in str(tables.problem(later))
    twice = layers_graph(a=[[["b", 0, 0, {}]]], b=[[["image", 0, 0, {}]], [["a", 0, 0, {}]]])
    assert tables.problem(twice) is None
    constant = layers_graph(a=[["_CONSTANT_VALUE", -1, 2.0, {"y": ["image", 0, 0]}]])
    assert tables.problem(constant) is None
    misnamed = layers_graph(a=[])
    misnamed["layers"][1]["config"]["name"] = "other"
    assert "calls itself 'other'" in str(tables.problem(misnamed))
    assert "another layer has too" in str(tables.problem({"layers": 2 * [layer("Add")], "input_layers": []}))


def test_a_network_in_the_network_has_been_called_once_when_it_is_made() -> None:
    inner = {**CLEAN, "name": "net"}
    reader = layer("Add", {}, "a", [[["net", 1, 0, {}]]])
    image = layer("InputLayer", {}, "image", [])
    whole = {"layers": [image, {**inner, "inbound_nodes": tables.FROM_IMAGE}, reader], "input_layers": []}
    assert tables.problem(whole) is None
    whole["layers"][1]["inbound_nodes"] = []
    assert "'a', which can never be called" in str(tables.problem(whole))


def test_what_h5py_raises_of_damage_is_said(tmp_path: Path) -> None:
    content = tables.write_h5(tmp_path / "a.h5", CLEAN).read_bytes()
    for cut in (100, 900, len(content) - 500):
        (tmp_path / "a.h5").write_bytes(content[:cut])
        with pytest.raises(UserError, match="is damaged"):
            examine.examine(tmp_path / "a.h5", "here")
    stream = io.BytesIO(content)
    stream.seek(200)
    stream.write(b"\xff" * 600)
    (tmp_path / "a.h5").write_bytes(stream.getvalue())
    with pytest.raises(UserError, match=r"damaged|without a network"):
        examine.examine(tmp_path / "a.h5", "here")
