"""The embedded recordings of a smartwatch: their size, their licence, their split, and how they are made."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyc.data.inputs import inputs
from tinyc.data.known_datasets import EMBEDDED
from tinyc.data.loading import load_dataset
from tinyc.spec.data import DataSpec

HASH = "27deeff94f800432e957963c5427617df710940b9a88a7f077185f5702bc6cba"


def test_the_embedded_file_and_its_licence() -> None:
    path = EMBEDDED / "smartwatch-imu.npz"
    assert path.stat().st_size < 4_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == HASH
    licence = (EMBEDDED / "smartwatch-imu.LICENSE").read_text()
    for part in ("seglearn", "David M. Burns", "Redistributions in binary form", "THIS SOFTWARE IS PROVIDED"):
        assert part in licence
    with np.load(path) as archive:
        assert archive["x"].shape == (244_102, 6)
        assert archive["x"].dtype == np.int16
        assert len(np.unique(archive["recording"])) == 140
        # No value stands at the end of the sensor's range: nothing was clipped.
        assert np.abs(archive["x"].astype(int)).max() == 27_185


def test_the_split_by_subject(tmp_path: Path) -> None:
    found = [load_dataset(DataSpec(name="smartwatch-imu"), tmp_path.joinpath, tmp_path, seed) for seed in (1, 2)]
    dataset = found[0]
    assert dataset.warnings == ()
    assert dataset.task.classes == ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
    assert dataset.task.input_shape == (128, 1, 6)
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [3140, 474, 981]
    subjects = [set(split.groups["subject"]) for split in (dataset.train, dataset.validation, dataset.test)]
    assert subjects == [set("1234567"), {"8"}, {"9", "10"}]
    assert len(set(dataset.test.groups["recording"])) == 28
    assert set(dataset.train.groups["side"]) == {"left", "right"}
    assert np.array_equal(found[0].test.x, found[1].test.x)
    stream = dataset.task.stream
    assert stream is not None
    assert (stream.sensor_bytes, stream.decisions) == (600, 1)
    spread = inputs(dataset.train.x, dataset.task).std(axis=(0, 1, 2))
    assert ((spread > 0.4) & (spread < 1.3)).all()


def test_recordings_tell_exercises_apart(tmp_path: Path) -> None:
    dataset = load_dataset(DataSpec(name="smartwatch-imu"), tmp_path.joinpath, tmp_path, 1)

    def features(x: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([x.mean(axis=(1, 2)), x.std(axis=(1, 2))], axis=1)

    known, asked = features(dataset.train.x), features(dataset.test.x)
    nearest = ((asked[:, None] - known) ** 2).sum(axis=2).argmin(axis=1)
    assert (dataset.train.y[nearest] == dataset.test.y).mean() > 0.5


def script() -> Any:
    path = Path(__file__).parents[3] / "benchmarks" / "embed_smartwatch_imu.py"
    spec = importlib.util.spec_from_file_location("embed_smartwatch_imu", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel_of(path: Path, held: object) -> Path:
    file = io.BytesIO()
    np.save(file, np.array(held, object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("seglearn/data/watch_dataset.npy", file.getvalue())
        archive.writestr("seglearn-1.2.5.dist-info/LICENSE", "a licence")
    return path


def recorded() -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {
        "X": [random.uniform(-15.9, 15.9, (length, 6)) for length in (20, 30)],
        "y": np.array([1, 0]),
        "subject": np.array([3, 4]),
        "side": np.array([1.0, 0.0]),
        "y_labels": ["PEN", "ABD"],
        "X_labels": ["ax", "ay", "az", "wx", "wy", "wz"],
    }


def test_embedding_rounds_to_half_a_count_and_gives_the_same_bytes(tmp_path: Path) -> None:
    embed, held = script(), recorded()
    wheel = wheel_of(tmp_path / "s.whl", held)
    made = [embed.embed(wheel, tmp_path / f"{name}.npz") for name in "ab"]
    assert made[0] == made[1]
    assert (tmp_path / "a.LICENSE").read_text().endswith("a licence")
    with np.load(tmp_path / "a.npz") as found:
        units = found["x"] / [2048, 2048, 2048, *[16.384 * 180 / np.pi] * 3]
        error = np.abs(units - np.concatenate(held["X"])).max(axis=0)
        assert (error[:3] <= 0.5 / 2048 + 1e-12).all()
        assert (error[3:] <= np.deg2rad(0.5 / 16.384) + 1e-12).all()
        assert (error > 0).all()
        assert found["y"].tolist() == [1] * 20 + [0] * 30
        assert found["subject"].tolist() == [3] * 20 + [4] * 30
        assert found["side"].tolist() == ["right"] * 20 + ["left"] * 30


def test_embedding_clips_nothing(tmp_path: Path) -> None:
    held = recorded()
    held["X"][0][3, 0] = 16.1
    with pytest.raises(ValueError, match="16 bits"):
        script().embed(wheel_of(tmp_path / "s.whl", held), tmp_path / "x.npz")


def test_embedding_runs_no_code_of_the_pickle(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    with pytest.raises(pickle.UnpicklingError, match="no part of an array"):
        script().embed(wheel_of(tmp_path / "s.whl", {**recorded(), "side": Trap()}), tmp_path / "x.npz")
    assert not (tmp_path / "sprung").exists()
