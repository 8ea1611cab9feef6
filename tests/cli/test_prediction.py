"""What `tinyc predict` takes for an example, and what it refuses."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyc.cli.prediction import load_example
from tinyc.errors import UserError

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
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(UserError, match=message):
        load_example(tmp_path / "x.npy", SHAPE)


def test_a_picture_lying_on_its_side_is_refused(tmp_path: Path) -> None:
    Image.new("L", (4, 6)).save(tmp_path / "x.png")
    with pytest.raises(UserError, match="has shape"):
        load_example(tmp_path / "x.png", SHAPE)


@pytest.mark.parametrize(("name", "content"), [("x.npy", b""), ("x.npy", b"PK"), ("x.png", b""), ("x.bmp", BITMAP)])
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        load_example(tmp_path / name, SHAPE)


def test_several_arrays_in_one_file_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(24))
    (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    with pytest.raises(UserError, match="several arrays"):
        load_example(tmp_path / "x.npy", SHAPE)


def test_a_missing_example_is_asked_for_as_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)there is no such file.*give an image"):
        load_example(tmp_path / "none.png", (4, 4, 1))
