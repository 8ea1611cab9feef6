"""Folders of images that are broken, or made to do harm."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.data.dataset import Dataset
from tinyc.data.loading import load_dataset
from tinyc.spec.data import DataSpec

COUNT = 12


def pets(folder: Path, names: tuple[bytes, ...] = (b"cat", b"dog")) -> Path:
    """A folder of two classes; names are bytes, as file systems hold them."""
    random = np.random.default_rng(0)
    for name in names:
        home = folder / "pets" / os.fsdecode(name)
        home.mkdir(parents=True)
        for index in range(COUNT):
            Image.fromarray(random.integers(0, 255, (8, 6), np.uint8)).save(home / f"{index:02}.png")
    return folder / "pets"


def read(folder: Path) -> Dataset:
    return load_dataset(DataSpec(path="pets", scale=1 / 255), folder.joinpath, folder / "cache", 7)


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(folder)
    assert caught.value.remedy
    str(caught.value).encode()
    return str(caught.value)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, content: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + packed


def scans(count: int) -> bytes:
    """A JPEG whose last scan comes again and again: each goes over the whole image."""
    stream = io.BytesIO()
    Image.new("L", (64, 64)).save(stream, "JPEG", progressive=True)
    content = stream.getvalue()
    last = content[content.rindex(b"\xff\xc4", 0, content.rindex(b"\xff\xda")) : -2]
    return content[:-2] + last * count + content[-2:]


CONTENTS: list[tuple[str, bytes, str]] = [
    ("0.png", png(50_000, 50_000), "has more than the 67,108,864 pixels that are read"),
    ("0.png", png(9000, 9000), "has more than the 67,108,864 pixels"),
    (
        "0.bmp",
        b"BM" + struct.pack("<IIIIiiHHII", 60, 0, 54, 40, 2**30, -(2**30), 1, 24, 0, 0) + bytes(16),
        "has more than the",
    ),
    ("0.png", png(6, 8, bytes(20)), "cannot be read as an image: image file is truncated"),
    ("0.png", png(6, 8)[:40], "cannot be read as an image"),
    ("0.jpg", scans(150), "has 156 scans; at most 100 of a JPEG are read"),
    ("0.jpg", b"", "cannot be read as an image: it is not one of PNG, JPEG, BMP, GIF, WEBP"),
    ("0.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", "cannot be read as an image"),
    ("0.png", b"GIF89a\x08\x00\x08\x00\x00\x00\x00;", "cannot be read as an image"),
]


@pytest.mark.parametrize(("name", "content", "message"), CONTENTS, ids=[message for *_, message in CONTENTS])
def test_contents(tmp_path: Path, name: str, content: bytes, message: str, recwarn: pytest.WarningsRecorder) -> None:
    (pets(tmp_path) / "cat" / name).write_bytes(content)
    said = refused(tmp_path)
    assert f"cat/{name}: " in said
    assert message in said
    assert not recwarn.list


def test_an_image_of_a_vast_file(tmp_path: Path) -> None:
    path = pets(tmp_path) / "cat" / "00.png"
    os.truncate(path, 64 << 30)
    assert "00.png: has 64.0 GiB; at most 256.0 MiB are read" in refused(tmp_path)


def test_images_beyond_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pets(tmp_path)
    monkeypatch.setattr(limits, "DATA_BYTES", 1100)
    assert "pets: becomes arrays of 1.1 KiB; at most 1.1 KiB are read" in refused(tmp_path)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "PNG"])
def test_a_name_need_not_say_the_format(tmp_path: Path, kind: str) -> None:
    """Pictures from the web are often of another format than they are called."""
    pixels = np.zeros((8, 6), np.uint8)
    Image.fromarray(pixels).save(pets(tmp_path) / "cat" / "more.jpg", format=kind)
    dataset = read(tmp_path)
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 2 * COUNT + 1


STRANGERS: list[Callable[[Path], object]] = [
    os.mkfifo,
    lambda path: path.symlink_to(path),
    lambda path: path.symlink_to("nowhere"),
    lambda path: path.symlink_to("/dev/zero"),
    lambda path: path.mkdir(),
]


@pytest.mark.parametrize("place", STRANGERS, ids=["pipe", "loop", "dangling", "device", "folder"])
def test_what_is_no_file_is_left_out_and_said(tmp_path: Path, place: Callable[[Path], object]) -> None:
    place(pets(tmp_path) / "cat" / "more.png")
    dataset = read(tmp_path)
    assert "1 files or folders that are not images are not read, the first is " in dataset.warnings[0]
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 2 * COUNT


@pytest.mark.parametrize("place", STRANGERS[:4], ids=["pipe", "loop", "dangling", "device"])
def test_what_is_no_folder_is_no_class(tmp_path: Path, place: Callable[[Path], object]) -> None:
    place(pets(tmp_path) / "emu")
    assert read(tmp_path).task.classes == ("cat", "dog")


def test_a_folder_that_leads_to_itself(tmp_path: Path) -> None:
    home = pets(tmp_path)
    (home / "emu").symlink_to(home)
    assert "emu: has no images" in refused(tmp_path)


def test_a_folder_behind_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "pets").symlink_to(tmp_path / "pets")
    assert "pets: is a nameless file, which is not read" in refused(tmp_path)


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    """A file's name may be of any bytes; the warning and the digest hold them."""
    home = pets(tmp_path)
    (home / "cat" / "00.png").rename(home / "cat" / os.fsdecode(b"caf\xe9.png"))
    (home / "dog" / os.fsdecode(b"\xff.txt")).write_text("x")
    dataset = read(tmp_path)
    assert r"dog/\xff.txt" in dataset.warnings[0]
    (home / "cat" / os.fsdecode(b"caf\xe9.png")).rename(home / "cat" / os.fsdecode(b"caf\xe8.png"))
    assert read(tmp_path).digest != dataset.digest
    (home / "cat" / os.fsdecode(b"caf\xe8.png")).write_text("x")
    assert r"cat/caf\xe8.png: cannot be read as an image" in refused(tmp_path)


@pytest.mark.parametrize(("name", "shown"), [(b"caf\xe9", r"caf\xe9"), (b"a\x1b[31mb", r"a\x1b[31mb")])
def test_a_class_whose_name_cannot_be_written(tmp_path: Path, name: bytes, shown: str) -> None:
    pets(tmp_path, (b"dog", name))
    said = f"{shown}: has a name that is not UTF-8, or holds control characters, and names a class\n  rename the folder"
    assert said in refused(tmp_path)


def test_a_place_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    home = tmp_path / os.fsdecode(b"caf\xe9")
    path = pets(home)
    (path / "cat" / "notes.txt").write_text("x")
    dataset = read(home)
    assert r"caf\xe9/pets" in dataset.warnings[0]
    "".join(dataset.warnings).encode()
    truncated = (path / "cat" / "00.png").read_bytes()[:60]
    (path / "cat" / "00.png").write_bytes(truncated)
    assert r"caf\xe9/pets/cat/00.png: cannot be read as an image" in refused(home)
