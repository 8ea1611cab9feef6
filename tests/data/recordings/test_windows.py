"""Windows of recordings: none crosses a recording, each has its label, and groups stay whole and in one split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import recordings

from tinyc.data.dataset import Dataset
from tinyc.data.inputs import inputs
from tinyc.data.loading import load_dataset
from tinyc.data.raw import Raw
from tinyc.data.recordings import windows
from tinyc.spec.data import DataSpec
from tinyc.spec.preparation import Window

WINDOW = {"op": "window", "length": 16, "stride": 8}
SPLIT = {"by": "subject", "validation": ["2"], "test": ["5", 6]}


def load_in(folder: Path, seed: int = 7, **keys: Any) -> Dataset:
    spec = DataSpec.model_validate({"calibration": 20, **keys})
    return load_dataset(spec, folder.joinpath, folder / "cache", seed)


def splits(dataset: Dataset) -> dict[str, Any]:
    return {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}


def values(dataset: Dataset, column: str) -> dict[str, set[str]]:
    return {name: set(split.groups[column].tolist()) for name, split in splits(dataset).items()}


@st.composite
def recorded(draw: st.DrawFn) -> Raw:
    """Up to six recordings, whose labels change in between; the sample is its own value."""
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    total = sum(lengths)
    y = np.array(draw(st.lists(st.integers(0, 2), min_size=total, max_size=total)), np.int64)
    x = np.stack([np.arange(total), -np.arange(total)], axis=1).astype(np.float32)
    recording = np.repeat([f"r{index}" for index in range(len(lengths))], lengths)
    place = np.array([f"p{index % 4}" for index in range(total)])
    return Raw("here", {"all": x}, {"all": y}, groups={"all": {"recording": recording, "place": place}})


@settings(max_examples=150, deadline=None)
@given(recorded(), st.integers(2, 12), st.integers(1, 15), st.sampled_from(["majority", "last", "all"]))
def test_windows_are_what_they_say(raw: Raw, length: int, stride: int, rule: Any) -> None:
    x, y, groups = raw.x["all"], raw.y["all"], raw.groups["all"]
    expected = []
    for name in dict.fromkeys(groups["recording"].tolist()):
        samples = np.flatnonzero(groups["recording"] == name)
        expected += [samples[start : start + length] for start in range(0, len(samples) - length + 1, stride)]
    if rule == "all":
        expected = [samples for samples in expected if len(set(y[samples])) == 1]
    if not expected:
        return
    made = windows.make(raw, Window(length=length, stride=stride, label=rule))
    assert made.x["all"].dtype == np.float32
    assert made.x["all"].shape == (len(expected), length, 1, 2)
    assert np.array_equal(made.x["all"][:, :, 0], np.stack([x[samples] for samples in expected]))
    for index, samples in enumerate(expected):
        label, held = made.y["all"][index], np.bincount(y[samples])
        assert label == (y[samples[-1]] if rule == "last" else held.argmax())
        assert {name: column[index] for name, column in made.groups["all"].items()} == {
            name: column[samples[-1]] for name, column in groups.items()
        }


def test_listed_subjects_keep_to_their_split(tmp_path: Path) -> None:
    recordings.write_npz(tmp_path / "x.npz")
    dataset = load_in(tmp_path, path="x.npz", prepare=[{**WINDOW, **SPLIT}])
    assert values(dataset, "subject") == {"train": {"1", "3", "4"}, "validation": {"2"}, "test": {"5", "6"}}
    assert dataset.task.classes == recordings.CLASSES
    assert dataset.task.input_shape == (16, 1, 2)
    ids = np.concatenate([split.ids for split in splits(dataset).values()])
    assert len(np.unique(ids)) == len(ids)
    assert set(dataset.calibration.groups) == {"subject", "recording"}
    assert set(dataset.calibration.groups["subject"]) <= {"1", "3", "4"}
    assert dataset.warnings == ()
    lengths = 40 + np.arange(18)
    assert len(ids) == ((lengths - 16) // 8 + 1).sum()
    given = recordings.arrays()
    for split in splits(dataset).values():
        samples = np.rint(split.x[:, :, 0, 0] * 64).astype(int)
        assert (np.diff(samples, axis=1) == 1).all()
        for column in ("recording", "subject"):
            assert (given[column].astype(str)[samples] == split.groups[column][:, None]).all()
        assert (given["y"][samples] == split.y[:, None]).all()


@pytest.mark.parametrize("by", [None, "subject"])
@pytest.mark.parametrize("seed", [1, 2])
def test_drawn_groups_stay_whole(tmp_path: Path, by: str | None, seed: int) -> None:
    table = recordings.arrays(subjects=10)
    recordings.write_npz(tmp_path / "x.npz", **table)
    keys = {**WINDOW, "by": by} if by else WINDOW
    dataset = load_in(tmp_path, seed, path="x.npz", prepare=[keys])
    held = values(dataset, by or "recording")
    everything = set.union(*held.values())
    assert sum(map(len, held.values())) == len(everything) == (10 if by else 30)
    assert [len(held[name]) for name in ("validation", "test")] == ([1, 2] if by else [3, 6])
    assert all(set(split.y) == {0, 1, 2} for split in splits(dataset).values())
    other = load_in(tmp_path, seed + 2, path="x.npz", prepare=[keys])
    assert values(other, by or "recording") != held
    again = load_in(tmp_path, seed, path="x.npz", prepare=[keys])
    assert all(np.array_equal(a.x, b.x) for a, b in zip(*(splits(d).values() for d in (dataset, again)), strict=True))


def test_what_is_not_listed_is_drawn_from_the_rest(tmp_path: Path) -> None:
    recordings.write_npz(tmp_path / "x.npz")
    for seed in range(5):
        held = values(
            load_in(tmp_path, seed, path="x.npz", prepare=[{**WINDOW, "by": "subject", "test": ["3"]}]), "subject"
        )
        assert held["test"] == {"3"}
        assert len(held["validation"]) == 1
        assert not held["validation"] & {"3"}


def test_csv_and_npz_are_the_same(tmp_path: Path) -> None:
    recordings.write_npz(tmp_path / "x.npz")
    recordings.write_csv(tmp_path / "x.csv")
    steps = [{**WINDOW, **SPLIT}]
    first = load_in(tmp_path, path="x.npz", prepare=steps)
    second = load_in(tmp_path, path="x.csv", label="kind", recording="session", prepare=steps)
    assert first.task == second.task
    for a, b in zip(splits(first).values(), splits(second).values(), strict=True):
        for name in ("x", "y", "ids"):
            assert np.array_equal(getattr(a, name), getattr(b, name))
        assert a.groups.keys() == b.groups.keys()
        assert all(np.array_equal(a.groups[name], b.groups[name]) for name in a.groups)


def test_a_function_gives_recordings_too(tmp_path: Path) -> None:
    recordings.write_npz(tmp_path / "x.npz")
    code = "import numpy as np\ndef make(last=0):\n    table = dict(np.load({!r}))\n{}    return table\n"
    body = "    table['subject'] = table['subject'] + last\n"
    (tmp_path / "data.py").write_text(code.format(str(tmp_path / "x.npz"), body))
    first = load_in(tmp_path, load="data.py:make", prepare=[{**WINDOW, **SPLIT}])
    second = load_in(tmp_path, path="x.npz", prepare=[{**WINDOW, **SPLIT}])
    assert np.array_equal(first.test.x, second.test.x)
    moved = DataSpec.model_validate(
        {"load": {"build": "data.py:make", "last": 1}, "prepare": [{**WINDOW, "by": "subject"}]}
    )
    dataset = load_dataset(moved, tmp_path.joinpath, tmp_path, 7)
    assert "7" in set.union(*values(dataset, "subject").values())


def test_one_channel_and_scale(tmp_path: Path) -> None:
    counts = (recordings.arrays()["x"][:, 1] * 1000).astype(np.int16)
    recordings.write_npz(tmp_path / "x.npz", x=counts)
    dataset = load_in(tmp_path, path="x.npz", scale=0.001, offset=0.5, prepare=[WINDOW])
    assert dataset.task.input_shape == (16, 1, 1)
    seen = inputs(dataset.test.x, dataset.task)
    assert seen == pytest.approx(dataset.test.x * 0.001 + 0.5, abs=1e-5)
    assert abs(seen).max() < 6


def test_windows_of_several_labels(tmp_path: Path) -> None:
    y = recordings.arrays()["y"].copy()
    y[20:24] = (y[20:24] + 1) % 3
    recordings.write_npz(tmp_path / "x.npz", y=y)
    every = load_in(tmp_path, path="x.npz", prepare=[{**WINDOW, **SPLIT}])
    pure = load_in(tmp_path, path="x.npz", prepare=[{**WINDOW, **SPLIT, "label": "all"}])
    assert len(every.train) - len(pure.train) == 2
    assert "2 of" in pure.warnings[0]
    assert "hold several labels and are left out" in pure.warnings[0]
    assert every.warnings == ()


def test_short_recordings_are_said(tmp_path: Path) -> None:
    recordings.write_npz(tmp_path / "x.npz")
    dataset = load_in(tmp_path, path="x.npz", prepare=[{**WINDOW, "length": 43, "by": "subject", "test": ["5"]}])
    assert "3 of 18 recordings are shorter than a window (0, 1, 2)" in dataset.warnings[0]


def test_stream(tmp_path: Path) -> None:
    recordings.write_npz(tmp_path / "x.npz")
    steps = [{**WINDOW, **SPLIT}]
    assert load_in(tmp_path, path="x.npz", prepare=steps).task.stream is None
    stream = load_in(tmp_path, path="x.npz", prepare=steps, rate=50, sample_bits=12).task.stream
    assert stream is not None
    assert (stream.sensor_bytes, stream.decisions, stream.rate) == (2 * 50 * 12 / 8, 50 / 8, 50)
    pictures = load_in(tmp_path, name="fashion-mnist", rate=2, sample_bits=8).task.stream
    assert pictures is not None
    assert (pictures.sensor_bytes, pictures.decisions, pictures.rate) == (2 * 784, 2, None)
