"""Saved networks that are broken, or ask for more than any computer has: one message, before room is made for them."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from support import saved_tables as tables
from support.saved_tables import Table, layer, network

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.network.gate import examine


def functional() -> Table:
    return network(layer("Activation", {"activation": "relu"}))


def calls(name: str, nodes: Any) -> Table:
    """The network with other calls of one layer."""
    table = functional()
    next(each for each in table["config"]["layers"] if each["name"] == name)["inbound_nodes"] = nodes
    return table


def settings(**config: Any) -> Table:
    table = functional()
    table["config"] |= config
    return table


def within(kind: str, **config: Any) -> Table:
    return network(layer(kind, config))


def placed(item: Any) -> Table:
    """The network with something else as its second layer."""
    table = functional()
    table["config"]["layers"][1] = item
    return table


def shaped(*shape: Any) -> Table:
    table = functional()
    table["config"]["layers"][0]["config"]["batch_input_shape"] = list(shape)
    return table


def nested(depth: int) -> Table:
    table = functional()
    for level in range(depth):
        whole = {"name": f"n{level}", "layers": [{**table, "name": table["config"]["name"], "inbound_nodes": []}]}
        table = {"class_name": "Functional", "config": {**whole, "input_layers": [], "output_layers": []}}
    return table


BAD: dict[str, tuple[Any, str]] = {
    "a list": ([], "its configuration describes no network"),
    "a number": (7, "its configuration describes no network"),
    "nothing": (None, "its configuration describes no network"),
    "no settings": ({"class_name": "Functional", "config": []}, "has no table of settings"),
    "settings as text": ({"class_name": "Functional", "config": "x"}, "has no table of settings"),
    "no layers": (settings(layers=None), "has no list of layers"),
    "no layer": (placed(None), "holds None among its layers, which is not a layer"),
    "a list as layer": (placed([[]]), r"holds \[\[\]\] among its layers"),
    "a layer without settings": (placed({**layer("Flatten"), "config": 7}), "without a name and a table of settings"),
    "two names": (placed({**layer("Flatten"), "name": "x"}), "'x', which calls itself 'middle' in its own settings"),
    "a sequence of no layers": ({"class_name": "Sequential", "config": {"name": "a"}}, "has no list of layers"),
    "itself": (calls("middle", [[["middle", 0, 0, {}]]]), "'middle', which can never be called"),
    "itself, later": (calls("middle", [[["middle", 3, 0, {}]]]), "'middle', which can never be called"),
    "a circle": (calls("middle", [[["head", 0, 0, {}]]]), "'middle', which can never be called"),
    "a circle by a keyword": (calls("middle", [[["image", 0, 0, {"y": ["flat", 0, 0]}]]]), "can never be called"),
    "calls as a number": (calls("middle", 7), "'middle', whose inbound_nodes are not a list"),
    "a call on nothing": (calls("middle", [[]]), "'middle', which is called on no tensor"),
    "a layer that is not there": (calls("middle", [[["nowhere", 0, 0, {}]]]), "reads from 'nowhere'"),
    "a negative call": (calls("middle", [[["image", -1, 0, {}]]]), "which is not a tensor of a layer"),
    "an output of no layer": (settings(output_layers=[["nowhere", 0, 0]]), "reads from 'nowhere'"),
    "many calls": (calls("middle", [[["image", 0, 0, {}]]] * 20_000), "20,006 layers and calls of layers"),
    "nested": (nested(40), "nested too deeply, beyond 64 levels"),
    "units": (within("Dense", units=2**40), "'middle' has units = 1,099,511,627,776; at most 16,777,216"),
    "units without end": (within("Dense", units=1e400), "has units = inf"),
    "a kernel": (within("Conv2D", filters=1, kernel_size=[2**30, 1]), "has kernel_size = 1,073,741,824"),
    "an input": (shaped(None, 2**40, 4, 1), "has batch_input_shape = 1,099,511,627,776"),
    "padding": (within("ZeroPadding2D", padding=[[0, 0], [0, 2**30]]), "has padding = 1,073,741,824"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_configurations_that_are_no_network_are_refused_without_tensorflow(name: str, tmp_path: Path) -> None:
    table, said = BAD[name]
    forms = [tables.write_h5(tmp_path / "a.h5", json.dumps(table))] if len(json.dumps(table)) < 60_000 else []
    for path in (*forms, tables.write_keras(tmp_path / "a.keras", tables.members(table))):
        with pytest.raises(UserError, match=said) as caught:
            examine.examine(path, "here")
        assert caught.value.remedy


def tensor(name: str) -> Table:
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": [name, 0, 0]}}


def newer(middle: Any) -> Table:
    """Layers as Keras 3 lists them: image -> middle."""
    image = layer("InputLayer", {"batch_shape": [None, 4]}, "image", [])
    return {"layers": [image, layer("ReLU", {}, nodes=[{"args": [middle], "kwargs": {}}])], "output_layers": []}


def test_calls_as_keras_3_says_them_are_followed_too() -> None:
    assert tables.problem(newer(tensor("image")), newer=True) is None
    assert "'middle', which can never be called" in str(tables.problem(newer(tensor("middle")), newer=True))
    assert "reads from 'x'" in str(tables.problem(newer(tensor("x")), newer=True))
    for history in ([], "abc", [7, 0, 0]):
        odd = {"class_name": "__keras_tensor__", "config": {"keras_history": history}}
        assert "a call on a tensor that no layer gives" in str(tables.problem(newer(odd), newer=True))


CONFIGS = {
    "utf-16": (json.dumps(functional()).encode("utf-16"), "is not UTF-8"),
    "half a letter": (b'{"class_name": "\xc3"}', "is not UTF-8: .* at byte 16"),
    "deep lists": (b"[" * 100_000, "nested too deeply"),
    "deep tables": (b'{"a":' * 50_000, "nested too deeply"),
    "a long number": (b'{"a": ' + b"9" * 10_000 + b"}", "more than 64 bits"),
    "empty": (b"", "is damaged"),
    "large": (b" " * (limits.JSON_BYTES + 1), "holds 'config.json' of 64.0 MiB"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    content, said = CONFIGS[name]
    parts = {**tables.members(functional()), "config.json": content}
    with pytest.raises(UserError, match=said):
        examine.examine(tables.write_keras(tmp_path / "a.keras", parts), "here")


def test_a_zip_with_a_long_list_of_members_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    path = tables.write_keras(
        tmp_path / "a.keras", {**tables.members(functional()), **{f"{i}": b"" for i in range(1200)}}
    )
    with pytest.raises(UserError, match="holds 1,203 members; at most 1,000"):
        examine.examine(path, "here")
    content = path.read_bytes()
    end = content.rindex(b"PK\5\6")
    path.write_bytes(content[: end + 12] + struct.pack("<I", 1 << 30) + content[end + 16 :])
    with pytest.raises(UserError, match="has a list of members of 1,073,741,824 bytes"):
        examine.examine(path, "here")


def test_a_member_that_hides_its_size_is_not_unpacked_whole(tmp_path: Path) -> None:
    """The list of members says 10 bytes, and its content unpacks to 64 MiB: no more than 10 are taken."""
    path = tables.write_keras(tmp_path / "a.keras", {**tables.members(functional()), "config.json": bytes(64 << 20)})
    with zipfile.ZipFile(path) as archive:
        held = archive.getinfo("config.json")
    told = struct.pack("<III", held.CRC, held.compress_size, held.file_size)
    path.write_bytes(path.read_bytes().replace(told, struct.pack("<III", held.CRC, held.compress_size, 10)))
    with pytest.raises(UserError, match=r"is not a whole \.keras file: Bad CRC-32"):
        examine.examine(path, "here")


def many_links(file: Any) -> None:
    for index in range(60):
        file.create_group(f"g{index}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (many_links, "has over 50 links and attributes"),
        (lambda file: file.create_dataset("own", (9_000_000,), "f4", fillvalue=1.0), "unpacks to 360"),
        (lambda file: file.create_dataset("own", (1,), "f4", maxshape=(None,), chunks=(9_000_000,)), "unpacks to 360"),
    ],
)
def test_hdf5_that_is_larger_than_it_looks_is_refused(
    change: Callable[[Any], None], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tables.write_h5(tmp_path / "a.h5", functional())
    examine.examine(path, "here")
    with h5py.File(path, "a") as file:
        change(file)
    if change is many_links:
        monkeypatch.setattr(limits, "HDF5_NAMES", 50)
    with pytest.raises(UserError, match=said):
        examine.examine(path, "here")
