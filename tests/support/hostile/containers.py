"""Files that say two things at once: which one is read depends on who reads."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from support.hostile.blank import Network, identity, layer
from support.hostile.case import Case
from support.hostile.classes import writing
from support.hostile.ground import Ground
from support.hostile.writing import members, variables, write_h5, written, zipped

Parts = list[tuple[str, bytes]]
HOSTILE = "io.write_file"


def doubled(first: str, second: str) -> Callable[[Ground], Network]:
    """A table that gives one key twice; Python takes the last, other readers the first."""

    def build(ground: Ground) -> Network:
        wrong = {**writing(ground), "class_name": "TWICE"}
        twice = f'"class_name": "{first}", "class_name": "{second}"'
        return Network(wrong, text=lambda text: text.replace('"class_name": "TWICE"', twice))

    return build


def deep(_: Ground) -> Network:
    return Network(layer("Flatten", {"data_format": "DEEP"}), text=lambda text: text.replace('"DEEP"', "[" * 100_000))


def deep_and_closed(ground: Ground) -> Network:
    """Ninety networks deep: no fault by itself, but the last of them writes a file."""
    wrong = json.dumps(writing(ground))
    around = '{"class_name": "TimeDistributed", "config": {"layer": '
    return Network(identity(), text=lambda text: text.replace('"victim"', around * 90 + wrong + "}}" * 90, 1))


def archive(change: Callable[[Ground, Parts, Parts], Parts]) -> Callable[[Ground, str], None]:
    """A .keras of members that are chosen from those of an innocent and of a hostile network."""

    def write(ground: Ground, form: str) -> None:
        parts = change(ground, members(Network(identity())), members(Network(writing(ground))))
        zipped(ground.network(form), parts)

    return write


def beside(name: str) -> Callable[[Ground, str], None]:
    return archive(lambda ground, clean, _: [*clean, (name.format(marker=ground.marker), b"x")])


def pickled(ground: Ground, clean: Parts, _: Parts) -> Parts:
    """Variables as an .npz, which Keras unpickles."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (open, (str(ground.marker), "w"))

    held = np.empty(1, object)
    held[0] = Evil()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as inside, inside.open("__root__.npy", "w") as member:
        header = {"descr": "|O", "fortran_order": False, "shape": (1,)}
        written: Any = np.lib.format
        written.write_array_header_1_0(member, header)
        pickle.dump(held, member, protocol=3)
    return [*clean[:2], ("model.weights.npz", stream.getvalue())]


def utf_16(_: Ground, clean: Parts, hostile: Parts) -> Parts:
    """A configuration in another encoding, which Python's json reads as well."""
    return [clean[0], ("config.json", hostile[1][1].decode().encode("utf-16")), clean[2]]


def local_name(ground: Ground, form: str) -> None:
    """The directory at the end calls a member otherwise than the member itself."""
    archive(lambda _, clean, hostile: [clean[0], ("xonfig.json", hostile[1][1]), *clean[1:]])(ground, form)
    path = ground.network(form)
    content = path.read_bytes()
    place = content.rindex(b"xonfig.json")
    path.write_bytes(content[:place] + b"config.json" + content[place + 11 :])


def two_in_one(ground: Ground, form: str) -> None:
    """The first bytes are those of one format, and Keras goes by the name or by the end of the other."""
    path = ground.network(form)
    innocent, hostile = Network(identity()), Network(writing(ground))
    if form == "keras":
        write_h5(path, innocent, ground)
        appended(path, members(hostile))
        return
    with h5py.File(path, "w", userblock_size=512):
        pass
    other = ground.run / "tmp" / "inside.h5"
    write_h5(other, hostile, ground)
    with h5py.File(path, "a") as file, h5py.File(other) as inside:
        file.attrs.update(inside.attrs)
        inside.copy("model_weights", file)
    other.unlink()
    with path.open("r+b") as stream:
        stream.write(b"PK\x03\x04")
    appended(path, members(innocent))


def appended(path: Path, parts: Sequence[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in parts:
            archive.writestr(zipfile.ZipInfo(name), content)


CONTAINERS = (
    Case("twice_clean_first", "one key twice", written(doubled("Flatten", "TFOpLambda")), "class_name",
         fires=("h5", "keras", "saved")),
    Case("twice_hostile_first", "one key twice", written(doubled("TFOpLambda", "Flatten")), "class_name"),
    Case("deep", "a depth that ends a parser", written(deep), "nested too deeply"),
    Case("deep_and_closed", "ninety layers around a hostile one", written(deep_and_closed), "write_file"),
    Case("member_twice", "two configurations, the last hostile", archive(lambda _, a, b: [*a, b[1]]),
         "'config.json' twice", ("keras",), ("keras",)),
    Case("member_twice_before", "two configurations, the first hostile", archive(lambda _, a, b: [b[1], *a]),
         "'config.json' twice", ("keras",)),
    Case("member_above", "a member above the folder", beside("assets/../../../canary/marker"), r"\.\..*no member",
         ("keras",)),
    Case("member_absolute", "a member at the root", beside("{marker}"), "marker.*no member", ("keras",)),
    Case("member_windows", "a member above, as Windows spells it", beside("..\\..\\marker"), r"\.\..*no member",
         ("keras",)),
    Case("member_case", "a second configuration in capitals", archive(lambda _, a, b: [*a, ("CONFIG.JSON", b[1][1])]),
         "CONFIG.JSON", ("keras",)),
    Case("member_name", "a member under two names", local_name, "'config.json' twice", ("keras",)),
    Case("pickled", "variables that are unpickled", archive(pickled), "npz", ("keras",), ("keras",)),
    Case("pickled_beside", "pickled variables beside others", archive(
        lambda g, a, b: [*a, pickled(g, a, b)[-1]]), "npz", ("keras",)),
    Case("utf_16", "another encoding", archive(utf_16), "write_file", ("keras",), ("keras",)),
    Case("polyglot", "two formats in one file", two_in_one, "in one file", ("h5", "keras"),
         ("h5", "keras")),
    Case("no_variables", "no variables, and a hostile configuration", archive(lambda _, a, b: [a[0], b[1]]),
         "write_file", ("keras",), ("keras",)),
    Case("not_h5", "variables that are another .keras", archive(
         lambda _, a, b: [*a[:2], ("model.weights.h5", b[1][1])]), "model.weights.h5 is damaged", ("keras",)),
    Case("metadata_list", "metadata as a list", archive(lambda _, a, b: [("metadata.json", b"[]"), b[1], a[2]]),
         "write_file", ("keras",), ("keras",)),
    Case("unversioned", "does not say which Keras wrote it", archive(
        lambda _, a, b: [("metadata.json", b"{}"), b[1], ("model.weights.h5", variables())]), "write_file",
        ("keras",), ("keras",)),
)  # fmt: skip
