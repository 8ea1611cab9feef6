"""Scale and offset for each column: fitted on train alone, applied in float32, checked against the columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.core.errors import UserError
from tinyc.data import loading, scaling
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.spec.data import DataSpec

COLUMNS = ((1.0, 0.3), (1000.0, 300.0), (0.01, 0.003))


def mixed(count: int = 300, seed: int = 0) -> Any:
    """Columns of a temperature, a pressure and an acceleration: float32 (count, 3)."""
    draw = np.random.default_rng(seed)
    return np.stack([draw.normal(mean, std, count) for mean, std in COLUMNS], 1).astype(np.float32)


def stored(folder: Path, x: Any, name: str = "rows.npz", **more: Any) -> Path:
    np.savez(folder / name, x=x, y=np.arange(len(x)) % 3, **more)
    return folder / name


def load(path: Path, **keys: Any) -> Any:
    return loading.load_dataset(DataSpec.model_validate({"path": str(path), **keys}), Path, path.parent, 7)


def test_fit_is_mean_and_deviation_of_the_training_examples_alone(tmp_path: Path) -> None:
    found = load(stored(tmp_path, mixed()), scale="fit")
    train = found.train.x.astype(np.float64)
    everything = mixed().astype(np.float64)
    assert np.allclose(found.task.scale, 1 / train.std(0), rtol=1e-6)
    assert not np.allclose(found.task.scale, 1 / everything.std(0), rtol=1e-4)
    seen = inputs(found.train.x, found.task)
    assert seen.dtype == np.float32
    assert np.allclose(seen, (train - train.mean(0)) / train.std(0), atol=1e-5)
    assert not found.warnings or not any("centres" in note for note in found.warnings)


def test_a_list_is_one_number_a_column_and_a_number_is_for_all(tmp_path: Path) -> None:
    path = stored(tmp_path, mixed())
    x = load(path).test.x
    lists = load(path, scale=[1, 0.001, 100], offset=[-1, -1, 0.5]).task
    assert (inputs(x, lists) == x * np.array([1, 0.001, 100], np.float32) + np.array([-1, -1, 0.5], np.float32)).all()
    half = load(path, scale=[1, 0.001, 100], offset=2).task
    assert (inputs(x, half) == x * np.array([1, 0.001, 100], np.float32) + np.float32(2)).all()
    assert half.columns == ((1.0, 2.0), (0.001, 2.0), (100.0, 2.0))
    assert load(path, scale=2).task.columns == ()


def test_the_numbers_of_a_fit_written_as_lists_give_the_same_inputs(tmp_path: Path) -> None:
    path = stored(tmp_path, mixed())
    fitted = load(path, scale="fit")
    said = load(path, scale=list(fitted.task.scale), offset=list(fitted.task.offset))
    assert said.task == fitted.task
    assert said.digest != fitted.digest != load(path).digest


@pytest.mark.parametrize("key", ["scale", "offset"])
def test_a_list_of_another_length_is_refused_with_both_lengths(key: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{key} has 2 numbers, and the last axis of an example, \(3,\), has 3"):
        load(stored(tmp_path, mixed()), **{key: [1.0, 2.0]})


def test_images_and_windows_are_scaled_by_channel(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    images = draw.integers(0, 256, (60, 5, 4, 3), np.uint8)
    images[..., 1] //= 16
    found = load(stored(tmp_path, images, "images.npz"), scale="fit")
    assert np.allclose(inputs(found.train.x, found.task).std((0, 1, 2)), 1, atol=1e-5)
    with pytest.raises(UserError, match=r"scale has 2 numbers, and the last axis of an example, \(5, 4, 3\), has 3"):
        load(tmp_path / "images.npz", scale=[1, 2])
    samples = np.tile(mixed(64), (12, 1))
    names = {"recording": np.repeat(np.arange(12), 64)}
    y = np.repeat(np.arange(12) % 3, 64)
    np.savez(tmp_path / "watch.npz", x=samples, y=y, **names)
    window = [{"op": "window", "length": 16, "stride": 8}]
    seen = load(tmp_path / "watch.npz", scale="fit", prepare=window)
    assert seen.task.input_shape == (16, 1, 3)
    assert len(seen.task.scale) == 3
    flat = seen.train.x.reshape(-1, 3).astype(np.float64)
    assert np.allclose(seen.task.scale, 1 / flat.std(0), rtol=1e-6)


def test_a_column_that_never_changes_is_centred_and_said(tmp_path: Path) -> None:
    x = mixed()
    x[:, 1] = 0.1
    found = load(stored(tmp_path, x), scale="fit")
    assert found.task.scale[1] == 1.0
    assert (inputs(found.test.x, found.task)[:, 1] == 0).all()
    assert any('scale = "fit" only centres column 1, counted from 0' in note for note in found.warnings)


@pytest.mark.parametrize("mean", [0.1, 1e6 / 3, -7e-5, 3e30])
def test_the_mean_becomes_zero_exactly(mean: float) -> None:
    scale = np.array([1 / 3.0])
    offset = scaling.centred(scale, np.array([mean]))
    seen = scaling.scaled(np.array([[mean]], np.float32), tuple(scale.tolist()), offset)
    assert seen[0, 0] == 0


@pytest.mark.parametrize("std", [1e-44, 1e-42])
def test_a_deviation_that_float32_cannot_divide_by_counts_as_none(std: float) -> None:
    x = np.array([[0.0, 1.0], [std, 2.0]], np.float32)
    assert x[1, 0] > 0
    found = scaling.fit(x)
    assert found.constant == (0,)
    assert np.isfinite(scaling.scaled(x, found.scale, found.offset)).all()


def test_moments_of_some_at_a_time_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    x = mixed(1001)
    monkeypatch.setattr(scaling, "VALUES", 30)
    mean, std = scaling.moments(x)
    assert np.allclose(mean, x.astype(np.float64).mean(0), rtol=1e-12)
    assert np.allclose(std, x.astype(np.float64).std(0), rtol=1e-12)


def test_a_scale_meant_for_bytes_is_judged_column_by_column(tmp_path: Path) -> None:
    """One column that is scaled already is no reason to refuse; all of them are."""
    x = np.random.default_rng(0).uniform(0, 1, (60, 3))
    path = stored(tmp_path, x)
    with pytest.raises(UserError, match="would shrink that to nothing"):
        load(path, scale=[1 / 255, 1 / 300, 0.001])
    assert load(path, scale=[1 / 255, 1, 1]).task.scale == (1 / 255, 1, 1)


def test_scale_and_offset_of_sentences_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "words.npz", x=np.array(["good one", "bad one"] * 9), y=np.arange(18) % 2)
    for keys in ({"scale": "fit"}, {"scale": [1.0, 2.0]}, {"offset": 1}):
        with pytest.raises(UserError, match="holds sentences, and scale and offset are for numbers"):
            load(tmp_path / "words.npz", **keys)


def test_a_number_scales_as_it_always_did() -> None:
    x = mixed()
    task = Task(("a", "b", "c"), (3,), scale=1 / 255, offset=-0.3)
    assert (inputs(x, task) == x * np.float32(1 / 255) + np.float32(-0.3)).all()
