"""The official files: found in three places, read, embedded reproducibly; damage and absence are said."""

from __future__ import annotations

import gzip
import importlib.util
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyc.core.errors import MachineError
from tinyc.data.images import fashion_mnist
from tinyc.data.loading import load_dataset
from tinyc.spec.data import DataSpec

FULL = DataSpec(name="fashion-mnist-full")


def write_idx(path: Path, array: NDArray[Any]) -> None:
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))


def write_files(folder: Path) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(4)
    for images, labels, count in ((*fashion_mnist.FILES[:2], 300), (*fashion_mnist.FILES[2:], 100)):
        write_idx(folder / images, rng.integers(0, 256, (count, 28, 28), np.uint8))
        write_idx(folder / labels, (np.arange(count) % 10).astype(np.uint8))


@pytest.fixture(autouse=True)
def lonely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the files and without a network."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(fashion_mnist, "download", lambda kept: "no network")


@pytest.mark.parametrize("place", ["debian", "cache/data/fashion-mnist", "home/.keras/datasets/fashion-mnist"])
def test_is_found(tmp_path: Path, place: str) -> None:
    write_files(tmp_path / place)
    dataset = load_dataset(FULL, tmp_path.joinpath, tmp_path / "cache", 7)
    assert dataset.task.input_shape == (28, 28, 1)
    assert dataset.task.scale == pytest.approx(1 / 255)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (270, 30, 100)
    assert dataset.name == "fashion-mnist-full"


def test_is_downloaded_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "download", lambda kept: write_files(kept) or "")
    load_dataset(FULL, tmp_path.joinpath, tmp_path / "cache", 7)
    assert (tmp_path / "cache" / "data" / "fashion-mnist" / fashion_mnist.FILES[0]).is_file()


def test_says_all_three_ways(tmp_path: Path) -> None:
    write_files(tmp_path / "debian")
    (tmp_path / "debian" / fashion_mnist.FILES[3]).unlink()
    with pytest.raises(MachineError) as caught:
        load_dataset(FULL, tmp_path.joinpath, tmp_path / "cache", 7)
    said = str(caught.value)
    assert caught.value.exit_code == 3
    assert "apt install dataset-fashion-mnist" in said
    assert f"into {tmp_path / 'cache' / 'data' / 'fashion-mnist'}" in said
    assert "internet" in said
    assert "no network" in said


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", gzip.compress(b"hello"), gzip.compress(b""), gzip.compress(bytes(65 << 20))],
    ids=["empty", "no-gzip", "no-idx", "nothing-inside", "bomb"],
)
def test_damage_is_said(tmp_path: Path, content: bytes) -> None:
    write_files(tmp_path / "debian")
    (tmp_path / "debian" / fashion_mnist.FILES[2]).write_bytes(content)
    with pytest.raises(MachineError) as caught:
        load_dataset(FULL, tmp_path.joinpath, tmp_path / "cache", 7)
    assert fashion_mnist.FILES[2] in caught.value.where
    assert "delete the file and fetch it again" in caught.value.remedy


def test_the_download_is_whole_or_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    write_files(tmp_path / "served")
    monkeypatch.setattr(fashion_mnist, "PLACE", (tmp_path / "served").as_uri() + "/")
    kept = tmp_path / "cache" / "data" / "fashion-mnist"
    assert fashion_mnist.download(kept) == ""
    assert fashion_mnist.first_complete((kept,)) is not None
    assert [path.name for path in kept.parent.iterdir()] == ["fashion-mnist"]
    (tmp_path / "served" / fashion_mnist.FILES[3]).unlink()
    other = tmp_path / "other"
    assert "No such file" in fashion_mnist.download(other)
    assert list(other.iterdir()) == []


def script() -> Any:
    path = Path(__file__).parents[3] / "benchmarks" / "embed_fashion_mnist.py"
    spec = importlib.util.spec_from_file_location("embed_fashion_mnist", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_embedding_gives_the_same_bytes(tmp_path: Path) -> None:
    write_files(tmp_path / "debian")
    embed = script().embed
    assert embed(tmp_path / "debian", tmp_path / "a.npz") == embed(tmp_path / "debian", tmp_path / "b.npz")
    dataset = load_dataset(DataSpec(path="a.npz", scale=1 / 255), tmp_path.joinpath, tmp_path, 7)
    assert len(dataset.test) == 100
    assert dataset.task.classes == fashion_mnist.CLASSES
