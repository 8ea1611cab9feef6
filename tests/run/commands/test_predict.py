"""What `tinyc predict` takes for an example, and what it refuses."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tinyc.core.errors import UserError
from tinyc.run.commands.predict import load_example

SHAPE = (4, 6, 1)
BITMAP = b"BM" + bytes(12) + struct.pack("<IIIHH", 40, 60_000, 60_000, 1, 24) + bytes(24)


@pytest.mark.parametrize("shape", [(24,), (4, 6), (4, 6, 1), (1, 4, 6)])
def test_arrays_of_the_shape_and_flat_rows_are_taken(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", np.arange(24).reshape(shape))
    found = load_example(tmp_path / "x.npy", SHAPE)
    assert found.dtype == np.float32
    assert found.ravel().tolist() == list(range(24))
    assert found.shape == SHAPE


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((6, 4)), "has shape"),
        (np.zeros((2, 12)), "has shape"),
        (np.zeros(23), "has shape"),
        (np.full(24, np.nan), "finite"),
        (np.full(24, "a"), "finite"),
        (np.full(24, 1j), "finite"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: NDArray[Any], message: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(UserError, match=message):
        load_example(tmp_path / "x.npy", SHAPE)


def test_a_picture_lying_on_its_side_is_refused(tmp_path: Path) -> None:
    Image.new("L", (4, 6)).save(tmp_path / "x.png")
    with pytest.raises(UserError, match="has shape"):
        load_example(tmp_path / "x.png", SHAPE)


@pytest.mark.parametrize(("name", "content"), [("x.npy", b""), ("x.npy", b"NU"), ("x.png", b""), ("x.bmp", BITMAP)])
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read|is not an array as NumPy writes it|has more than the"):
        load_example(tmp_path / name, SHAPE)


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }"


@pytest.mark.parametrize(
    ("header", "body", "message"),
    [
        (HEADER % "(9000000000, 9000)", b"", "float64 of the shape (9000000000, 9000), 603,497.0 GiB, and 0 B follow"),
        (HEADER % "(24,)", bytes(191), "float64 of the shape (24,), 192 B, and 191 B follow"),
        (HEADER % "(48,)", bytes(384), "has shape (48,), but the network takes (4, 6, 1)"),
        ("-" * 9000 + "1", b"", "has a header that cannot be read"),
        (HEADER.replace("<f8", "|O") % "(24,)", bytes(192), "holds Python objects (a pickle)"),
    ],
)
def test_headers_are_judged_before_values_are_read(tmp_path: Path, header: str, body: bytes, message: str) -> None:
    begin = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    (tmp_path / "x.npy").write_bytes(begin + header.encode() + body)
    with pytest.raises(UserError) as caught:
        load_example(tmp_path / "x.npy", SHAPE)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["x.npy", "x.csv", "x.png", "x"])
@pytest.mark.parametrize(
    ("place", "message"),
    [
        (os.mkfifo, "is a pipe, not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device, not a regular file"),
        (lambda path: path.symlink_to(path), "is not a path: too many levels of symbolic links"),
        (lambda path: (path.touch(), os.truncate(path, 64 << 30)), "has 64.0 GiB; at most "),
    ],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, name: str, place: Any, message: str) -> None:
    place(tmp_path / name)
    with pytest.raises(UserError) as caught:
        load_example(tmp_path / name, SHAPE)
    assert message in str(caught.value)


def test_several_arrays_in_one_file_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(24))
    (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    with pytest.raises(UserError, match="several arrays"):
        load_example(tmp_path / "x.npy", SHAPE)


def test_a_missing_example_is_asked_for_as_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)there is no such file.*give an image"):
        load_example(tmp_path / "none.png", (4, 4, 1))
