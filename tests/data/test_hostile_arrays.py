"""An .npz that is broken, or made to do harm: one message, and no value is read before the headers were judged."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.core import limits
from tinyc.core.errors import TinycError
from tinyc.data.loading import load_dataset
from tinyc.spec.data import DataSpec

RNG = np.random.default_rng(3)
X = RNG.normal(size=(30, 4)).astype(np.float32)
Y = np.arange(30) % 3


def array_bytes(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00", length: int | None = None) -> bytes:
    """An array with a header of one's own."""
    text = header.encode()
    size = len(text) if length is None else length
    return b"\x93NUMPY" + version + size.to_bytes(2 if version[0] == 1 else 4, "little") + text + body


def said_of(shape: str, descr: str = "'<f4'", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def zipped(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def message(folder: Path) -> str:
    with pytest.raises(TinycError) as caught:
        load_dataset(DataSpec(path="x.npz"), folder.joinpath, folder / "cache", 7)
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    assert len(str(caught.value)) < 1000
    return str(caught.value)


HEADERS: list[tuple[bytes, str]] = [
    (npy("-" * 9000 + "1"), "x: has a header that cannot be read: '-------"),
    (npy("(" * 9000), "x: has a header that cannot be read"),
    (npy("1if " * 2000), "x: has a header that cannot be read"),
    (npy("'\\q'"), "x: has a header that cannot be read"),
    (npy("{}"), "x: has a header that cannot be read: '{}'"),
    (npy(""), "x: has a header that cannot be read: ''"),
    (npy(said_of("(30, 4)") + "\0"), "x: has a header that cannot be read"),
    (npy("{'descr': '<f4', " + said_of("(30, 4)")[1:]), "x: has a header that cannot be read"),
    (npy(said_of("(30, 4)", order="(False)")), "x: has a header that cannot be read"),
    (npy(said_of("(30, 4)", order="'False'")), "x: has a header that cannot be read"),
    (npy(said_of("(30, -4)")), "x: has a header that cannot be read"),
    (npy(said_of("(30)")), "x: has a header with the shape (30)"),
    (npy(said_of("'ab'")), "x: has a header with the shape 'ab'"),
    (npy(said_of("(30, 04)")), "x: has a header with the shape (30, 04)"),
    (npy(said_of(f"({'1, ' * 40})")), "x: has a header with the shape (1, 1, 1"),
    (npy(said_of(f"({'9' * 5000},)")), "x: has a header with the shape (9999"),
    (npy(said_of("(30, 4)", "'<f3'")), "x: has a header with the type '<f3'"),
    (npy(said_of("(30, 4)", "'<U999999999'")), "x: has a header with the type '<U999999999'"),
    (npy(said_of("(30, 4)", "'(((('")), "x: has a header with the type '(((('"),
    (npy(said_of("(30, 4)", "(30, 4)")), "x: has a header with the type (30, 4)"),
    (npy(said_of("(30, 4)", "'<U0'")), "x: has a header with the type '<U0', which takes no bytes"),
    (npy(said_of("(30, 4)", "'<U99999999'")), "x: holds values of 381.5 MiB each; at most 512.0 KiB are read"),
    (npy(said_of("(30, 4)", "'|O'")), "x: holds Python objects (a pickle)"),
    (npy(said_of("(30,)", "[('a', '<f4'), ('b', '<f4')]")), "x: is a structured array"),
    (npy(said_of("(9000000000, 9000)")), "x: its header says float32 of the shape (9000000000, 9000), "),
    (npy(said_of(f"(0, {10**18}, {10**18})")), "x: has a header with the shape (0, 1000000000000000000, 1000"),
    (npy(said_of("(30, 4)"), bytes(479)), "x: its header says float32 of the shape (30, 4), 480 B, and 479 B follow"),
    (npy(said_of("(30, 4)"), bytes(481)), "and 481 B follow"),
    (npy(said_of("(30, 4)"), length=65535), "x: has a header of 65,535 bytes; at most 10,000 are read"),
    (npy(said_of("(30, 4)"), length=9000), "x: is cut off within its header"),
    (npy("", version=b"\x02\x00", length=2**32 - 1), "x: has a header of 4,294,967,295 bytes"),
    (npy(said_of("(30, 4)"), version=b"\x04\x00"), "x: is not an array as NumPy writes it"),
    (b"\x93NUM", "x: is not an array as NumPy writes it"),
    (b"", "x: is not an array as NumPy writes it"),
]


@pytest.mark.parametrize(("content", "expected"), HEADERS, ids=[expected[:60] for _, expected in HEADERS])
def test_headers(tmp_path: Path, content: bytes, expected: str, capfd: pytest.CaptureFixture[str]) -> None:
    zipped(tmp_path / "x.npz", {"x": content, "y": array_bytes(Y)})
    said = message(tmp_path)
    assert said.startswith(str(tmp_path / "x.npz"))
    assert expected in said
    assert capfd.readouterr() == ("", "")


SOUND = [
    npy("{'shape': (30L, 4L), 'fortran_order': False, 'descr': '<f4'}", X.tobytes()),
    npy('{"descr":"<f4","fortran_order":False,"shape":(30,4)}\n', X.tobytes(), b"\x02\x00"),
    npy(said_of("( 30 , 4 , )", "'>f4'", "True"), X.astype(">f4").tobytes("F"), b"\x03\x00"),
]


@pytest.mark.parametrize("content", SOUND)
@pytest.mark.filterwarnings("ignore:Reading `.npy`")
def test_headers_that_others_than_numpy_write(tmp_path: Path, content: bytes) -> None:
    zipped(tmp_path / "x.npz", {"x": content, "y": array_bytes(Y)})
    dataset = load_dataset(DataSpec(path="x.npz"), tmp_path.joinpath, tmp_path / "cache", 7)
    assert np.array_equal(dataset.train.x, X[dataset.train.ids])


def test_text_of_characters_that_do_not_exist(tmp_path: Path) -> None:
    strange = npy(said_of("(30,)", "'<U1'"), b"\xff" * 120)
    zipped(tmp_path / "x.npz", {"x": array_bytes(X), "y": strange})
    assert "y: holds text with characters that do not exist" in message(tmp_path)


@pytest.mark.parametrize("name", [b"caf\xe9", "half \ud800"])
def test_class_names_that_are_no_unicode(tmp_path: Path, name: Any) -> None:
    np.savez(tmp_path / "x.npz", x=X, y=Y, class_names=np.array([name, name[:1], name[:2]]))
    assert "class_names: holds " in (said := message(tmp_path))
    assert "which is not UTF-8" in said


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1001, "has 1,003 members; at most 1,000 are read"), (20_000, "at most 1,000 members are read")],
)
def test_many_members(tmp_path: Path, count: int, expected: str) -> None:
    zipped(tmp_path / "x.npz", {"x": array_bytes(X), "y": array_bytes(Y), **{f"m{i}": b"" for i in range(count)}})
    assert expected in message(tmp_path)


def test_members_without_a_meaning_are_not_read(tmp_path: Path) -> None:
    """Neither their values nor odd names of theirs do harm; the warning lists some."""
    junk = {"../../up": b"x", "a\x1b[31m": b"", "deep": npy("(" * 500), "big": npy(said_of("(9000000000,)", "'<i8'"))}
    zipped(tmp_path / "x.npz", {"x": array_bytes(X), "y": array_bytes(Y), **junk, **{f"m{i}": b"" for i in range(90)}})
    dataset = load_dataset(DataSpec(path="x.npz"), tmp_path.joinpath, tmp_path / "cache", 7)
    assert r"arrays '../../up', 'a\x1b[31m', deep, big, m0, m1" in dataset.warnings[0]
    assert "m15 and 74 more are not read" in dataset.warnings[0]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in ("x.npy", "y.npy", "x"):
            archive.writestr(name, array_bytes(X))
    assert "has the array 'x' twice" in message(tmp_path)


@pytest.mark.parametrize(("method", "expected"), [(zipfile.ZIP_LZMA, "(14)"), (zipfile.ZIP_BZIP2, "(12)")])
def test_packing_that_numpy_does_not_write(tmp_path: Path, method: int, expected: str) -> None:
    zipped(tmp_path / "x.npz", {"x": array_bytes(X), "y": array_bytes(Y)}, method)
    assert f"x: is packed by a method that NumPy does not use {expected}" in message(tmp_path)


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.npz", {"x": array_bytes(X), "y": array_bytes(Y)})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "x: is encrypted\n  write the .npz without a password" in message(tmp_path)


@pytest.mark.parametrize("spoil", ["cut", "value", "size", "name"])
def test_damaged_archives(tmp_path: Path, spoil: str) -> None:
    path = zipped(tmp_path / "x.npz", {"x": array_bytes(X), "y": array_bytes(Y)}, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    listed = content.index(b"PK\x01\x02")
    if spoil == "cut":
        del content[listed:]
    elif spoil == "value":
        content[300] ^= 255
    elif spoil == "size":
        struct.pack_into("<I", content, listed + 20, 2**31)
        struct.pack_into("<I", content, listed + 24, 2**31)
    else:
        content[30] = ord("z")
    path.write_bytes(content)
    assert "damaged" in (said := message(tmp_path)) or "follow" in said


def peak(folder: Path) -> tuple[str, int]:
    """What is said, and the most memory that Python and NumPy took for it, in bytes."""
    tracemalloc.start()
    try:
        return message(folder), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def zeros(path: Path, shape: tuple[int, ...], **others: Any) -> None:
    members = {name: array_bytes(array) for name, array in others.items()}
    zipped(path, {"x": array_bytes(np.zeros(shape, np.uint8)), **members}, zipfile.ZIP_DEFLATED)


def test_shapes_are_judged_before_values_are_read(tmp_path: Path) -> None:
    zeros(tmp_path / "x.npz", (32, 1 << 20), y=Y)
    said, most = peak(tmp_path)
    assert "x: has the shape (32, 1048576), but y (30,)" in said
    assert most < 4 << 20


def test_a_bomb_of_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within its rights by shape, but far beyond what an archive of its size holds."""
    monkeypatch.setattr(limits, "ARCHIVE_SPARE_BYTES", 8 << 20)
    zeros(tmp_path / "x.npz", (30, 1 << 20), y=Y)
    said, most = peak(tmp_path)
    assert "unpacks to 30.0 MiB, and the file has" in said
    assert "write them with numpy.savez" in said
    assert most < 4 << 20
    np.savez(tmp_path / "x.npz", x=np.r_[np.zeros((29, 1 << 20), np.uint8), np.ones((1, 1 << 20), np.uint8)], y=Y)
    assert "has fewer than 3 different examples" in message(tmp_path)


def test_arrays_beyond_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DATA_BYTES", 8 << 20)
    zeros(tmp_path / "x.npz", (30, 1 << 20), y=Y)
    said, most = peak(tmp_path)
    assert "becomes arrays of 30.0 MiB; at most 8.0 MiB are read" in said
    assert most < 4 << 20


def test_arrays_beyond_this_machines_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1}.__getitem__)
    np.savez(tmp_path / "x.npz", x=np.zeros((30, 200)), y=Y)
    with pytest.raises(TinycError) as caught:
        load_dataset(DataSpec(path="x.npz"), tmp_path.joinpath, tmp_path / "cache", 7)
    assert "takes 70.5 KiB of memory, and this machine has 4.0 KiB" in str(caught.value)
    assert caught.value.exit_code == 3
