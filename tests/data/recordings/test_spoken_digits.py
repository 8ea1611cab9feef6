"""The embedded spoken digits: their size, their split, their licence, and how they are made."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.data.known_datasets import EMBEDDED
from tinyc.data.loading import load_dataset
from tinyc.spec.data import DataSpec

HASH = "206d26020b9bc6785c3ab25184a867756891e20fa5037da975c51a14b7324abc"


def test_the_embedded_file_and_its_licence() -> None:
    path = EMBEDDED / "spoken-digits.npz"
    assert path.stat().st_size < 4_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == HASH
    licence = (EMBEDDED / "spoken-digits.LICENSE").read_text()
    for part in ("CC BY-SA 4.0", "Free Spoken Digit Dataset", "Zohar Jackson", "What was changed", "MIT License"):
        assert part in licence


def test_the_split_is_the_same_whatever_the_seed(tmp_path: Path) -> None:
    found = [load_dataset(DataSpec(name="spoken-digits"), tmp_path.joinpath, tmp_path, seed) for seed in (1, 2)]
    for dataset in found:
        assert dataset.task.classes == tuple("0123456789")
        assert dataset.task.input_shape == (32, 1, 13)
        assert dataset.train.x.dtype == np.float32
        assert len(dataset.train) + len(dataset.validation) == 2400
        assert np.bincount(dataset.test.y).tolist() == [60] * 10
        assert np.array_equal(dataset.test.x, found[0].test.x)
        assert not dataset.warnings
    assert not np.array_equal(found[0].validation.x, found[1].validation.x)
    every = np.concatenate([part.x for part in (found[0].train, found[0].validation, found[0].test)])
    assert len({clip.tobytes() for clip in every}) == 3000


def test_digits_can_be_told_apart(tmp_path: Path) -> None:
    data = load_dataset(DataSpec(name="spoken-digits"), tmp_path.joinpath, tmp_path, 1)
    centres = np.stack([data.train.x[data.train.y == digit].mean(axis=0) for digit in range(10)])
    distances = ((data.test.x[:, None] - centres) ** 2).sum(axis=(2, 3, 4))
    assert (distances.argmin(axis=1) == data.test.y).mean() > 0.7


def script() -> Any:
    path = Path(__file__).parents[3] / "benchmarks" / "embed_spoken_digits.py"
    spec = importlib.util.spec_from_file_location("embed_spoken_digits", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_embedding_standardizes_cuts_and_gives_the_same_bytes(tmp_path: Path) -> None:
    embed, random = script(), np.random.default_rng(0)
    lengths = random.integers(6, 50, 100)
    table = io.BytesIO()
    frames = random.normal(3, 20, (lengths.sum(), 13)).astype(np.float32)
    np.savez(table, X=frames, y=np.arange(100) % 10, lengths=lengths)
    wheel = tmp_path / "s.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(embed.DIGITS, table.getvalue())
        archive.writestr(embed.LICENCE, "MIT License of a test")
    made = [embed.embed(wheel, tmp_path / f"{name}.npz") for name in "ab"]
    assert made[0] == made[1]
    assert (tmp_path / "a.LICENSE").read_text().endswith("MIT License of a test")
    with np.load(tmp_path / "a.npz") as found:
        assert found["x_train"].shape == (80, 32, 1, 13)
        assert np.bincount(found["y_test"]).tolist() == [2] * 10
        filled = np.concatenate([found["x_train"], found["x_test"]])
        # What is short ends in zeros; all else has the training clips' mean 0 and deviation 1.
        ends = sorted((~filled.any(axis=(2, 3))).sum(axis=1).tolist())
        assert ends == sorted(np.maximum(0, 32 - lengths).tolist())
        spoken = found["x_train"][found["x_train"].any(axis=(2, 3))].astype(float)
        assert spoken.mean() == pytest.approx(0, abs=0.02)
        assert spoken.std() == pytest.approx(1, abs=0.02)
