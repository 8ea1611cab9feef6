"""`prepare` as a list of steps, and the columns beside the examples: schema, digest, groups, and every refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from support import recordings
from support.refusals import refused

from tinyc.data.dataset import Dataset
from tinyc.data.loading import content_digest, load_dataset, seal
from tinyc.spec.data import DataSpec
from tinyc.spec.preparation import Window

WINDOW = {"op": "window", "length": 16, "stride": 8}
BY = {**WINDOW, "by": "subject", "validation": ["2"], "test": ["5", "6"]}
SESSIONS: dict[str, Any] = {"path": "x.csv", "label": "kind", "recording": "session"}


def load_in(folder: Path, seed: int = 7, **keys: Any) -> Dataset:
    spec = DataSpec.model_validate({"calibration": 20, **keys})
    return load_dataset(spec, folder.joinpath, folder / "cache", seed)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"prepare": []}, "prepare = [] prepares nothing"),
        ({"prepare": [{"op": "windw"}]}, "does not match any of the expected tags"),
        ({"prepare": [{"op": "window", "length": 1, "stride": 1}]}, "greater than or equal to 2"),
        ({"prepare": [{"op": "window", "length": 8, "stride": 0}]}, "greater than or equal to 1"),
        ({"prepare": [{**WINDOW, "test": ["3"]}]}, "test lists values of a column; say which"),
        ({"prepare": [{**BY, "validation": [5]}]}, "'5' is listed twice in validation and test"),
        ({"prepare": [{**BY, "test": [True]}]}, "valid string"),
        ({"prepare": [{"op": "grayscale"}, WINDOW]}, "a window comes first, and once"),
        ({"prepare": [WINDOW, {"op": "grayscale"}]}, "grayscale is for images, and a window is not one"),
        ({"prepare": [WINDOW, {"op": "resize", "height": 8, "width": 1}]}, "resize is for images"),
        (
            {"prepare": [WINDOW, {"op": "mfcc", "rate": 16e3}], "rate": 8e3, "sample_bits": 16},
            "mfcc has rate = 16000, and the recordings 8000 samples a second",
        ),
        ({"prepare": [WINDOW, WINDOW]}, "a window comes first, and once"),
        ({"prepare": WINDOW}, "valid tuple"),
        (
            {"prepare": [WINDOW], "validation": 0.1},
            "validation = 0.1 counts examples, and windows keep recordings whole",
        ),
        ({"path": "x.csv", "label": "y", "prepare": [WINDOW]}, "a window must not cross two recordings"),
        (
            {"path": "images", "prepare": [WINDOW]},
            "a window is cut from recordings, and images does not hold recordings",
        ),
        ({"path": None, "name": "fashion-mnist", "prepare": [WINDOW]}, "and fashion-mnist does not hold recordings"),
        ({"path": None, "name": "smartwatch-imu", "prepare": [{"op": "grayscale"}]}, "begin prepare with"),
        ({"path": None, "name": "smartwatch-imu", "validation": 9}, "windows keep recordings whole"),
        ({"path": None, "name": "movie-sentiment", "prepare": [WINDOW]}, "steps are for numbers, and the data is text"),
        ({"path": None, "name": "movie-sentiment", "rate": 2.0}, "rate describes a sensor, and the data is text"),
        ({"rate": 50.0}, "give sample_bits too"),
        ({"sample_bits": 16}, "give rate too"),
        ({"rate": 0.0, "sample_bits": 8}, "greater than 0"),
        ({"rate": 1.0, "sample_bits": 65}, "less than or equal to 64"),
        ({"recording": "r"}, "in an .npz 'r' is an array beside x"),
        ({"path": "x.csv", "label": "y", "groups": ["y"]}, "cannot be two of"),
        ({"path": "x.csv", "label": "y", "recording": "r", "groups": ["r"]}, "cannot be two of"),
        ({"path": "x.csv", "label": "y", "recording": "r", "groups": ["recording"]}, "is the column 'r' already"),
        ({"path": "x.csv", "text": "t", "label": "y", "recording": "r"}, "name it in groups"),
    ],
)
def test_refuses_tables(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DataSpec.model_validate({"path": "x.npz", **table})
    assert message in str(caught.value)
    assert len(caught.value.errors()) == 1


def jumping() -> NDArray[Any]:
    """Recording 0 goes on after recording 1."""
    recording = recordings.arrays()["recording"].copy()
    recording[80] = 0
    return recording


def restless() -> NDArray[Any]:
    """The subject changes within recording 1."""
    subject = recordings.arrays()["subject"].copy()
    subject[50:81] = 9
    return subject


GIVEN = recordings.arrays()


@pytest.mark.parametrize(
    ("changes", "keys", "message"),
    [
        ({}, {**WINDOW, "length": 58}, "has no recording as long as a window of 58 samples: the longest has 57"),
        ({"recording": None}, WINDOW, "does not say which recording a sample belongs to"),
        ({"recording": GIVEN["recording"][:-1]}, WINDOW, "x.npz: recording: is not one text or whole number for each"),
        ({"recording": GIVEN["recording"] / 2}, WINDOW, "x.npz: recording: is not one text or whole number for each"),
        ({"subject": GIVEN["subject"] / 2}, BY, "a column is one text or whole number an example"),
        ({"recording": jumping()}, WINDOW, "continues the recording '0' at sample 80"),
        ({"subject": restless()}, BY, "'1', with several values of 'subject': it changes at sample 50"),
        ({}, {**WINDOW, "by": "subjet"}, "has no column 'subjet'\n  did you mean 'subject'?"),
        ({"subject": None}, {**WINDOW, "by": "subject"}, "has no column 'subject'"),
        ({}, {**BY, "test": ["7"]}, "has no '7' in 'subject', which prepare lists\n  it holds 1, 2, 3, 4, 5, 6"),
        ({}, {**BY, "test": list("13456")}, "leaves no subject to train: all 6 validate or test"),
        ({"subject": np.minimum(GIVEN["subject"], 2)}, {**WINDOW, "by": "subject"}, "has 2 values of 'subject'"),
        ({"recording": GIVEN["y"] * 0 + 1}, WINDOW, "has 1 values of 'recording'"),
        ({"y": (GIVEN["subject"] > 4) + 0}, BY, "train has no example of 'rest', 'turn'"),
        (
            {"y": np.where(GIVEN["subject"] == 5, 0, GIVEN["y"])},
            {**BY, "test": ["5"]},
            "test has no example of 'rest', 'turn'",
        ),
        ({"x": GIVEN["x"][:, None]}, WINDOW, "has the shape (873, 1, 2, 1), and windows are cut from recordings"),
        ({"x": GIVEN["x"][:-1]}, WINDOW, "give one label an example"),
        ({"x": np.full((873, 2), np.nan)}, WINDOW, "is nan at [0, 0]"),
        ({"x": np.arange(1746).reshape(873, 2).astype(str)}, WINDOW, "not numbers"),
        ({"y": np.arange(873) % 2}, {**WINDOW, "label": "all"}, "has no window of 16 samples with one label"),
    ],
)
def test_refuses_recordings(tmp_path: Path, changes: dict[str, Any], keys: dict[str, Any], message: str) -> None:
    recordings.write_npz(tmp_path / "x.npz", **changes)
    assert message in refused(tmp_path, path="x.npz", prepare=[keys])


def test_refuses_recordings_that_are_split(tmp_path: Path) -> None:
    table = {f"{name}_{part}": value for name, value in GIVEN.items() for part in ("train", "test")}
    np.savez(tmp_path / "x.npz", **table)
    assert "is split already, and windows are cut before" in refused(tmp_path, path="x.npz", prepare=[WINDOW])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"recording": "sesion"}, "has no column 'sesion'\n  did you mean 'session'?"),
        ({"prepare": [{**BY, "by": "person"}]}, "has no column 'person'"),
        ({"groups": ["a", "b"], "prepare": [{**WINDOW, "by": "subject"}]}, "has no column of features"),
    ],
)
def test_refuses_columns(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    recordings.write_csv(tmp_path / "x.csv")
    assert message in refused(tmp_path, **{**SESSIONS, "prepare": [BY], **keys})


@pytest.mark.parametrize(
    ("row", "message"), [("1,,1,lift,2", "has no value in 'session'"), ("1,2,3,lift", "has 4 cells")]
)
def test_refuses_rows(tmp_path: Path, row: str, message: str) -> None:
    recordings.write_csv(tmp_path / "x.csv")
    with (tmp_path / "x.csv").open("a") as file:
        file.write(row + "\n")
    assert f"x.csv:875: {message}" in refused(tmp_path, **SESSIONS, prepare=[BY])


def test_every_key_changes_the_digest(tmp_path: Path) -> None:
    recordings.write_csv(tmp_path / "x.csv")

    def now(**keys: Any) -> str:
        spec = DataSpec.model_validate({**SESSIONS, "prepare": [BY], **keys})
        return seal(spec, content_digest(spec, tmp_path.joinpath, tmp_path / "cache", None))

    steps = [
        [{**BY, "length": 17}], [{**BY, "stride": 9}], [{**BY, "label": "last"}], [{**BY, "by": "session"}],
        [{**BY, "validation": ["3"]}], [{**BY, "test": ["5"]}], [WINDOW],
        [BY, {"op": "log_mel", "rate": 8e3}], [BY, {"op": "mfcc", "rate": 8e3}],
    ]  # fmt: skip
    others: list[dict[str, Any]] = [
        {"recording": "subject"}, {"groups": ["a"]}, {"rate": 50.0, "sample_bits": 8}, {"rate": 50.0, "sample_bits": 9},
        {"rate": 51.0, "sample_bits": 9}, {"scale": 2.0}, {"metric": "f1"}, {"calibration": 9},
    ]  # fmt: skip
    found = [now(), *(now(prepare=each) for each in steps), *(now(**each) for each in others)]
    assert len(set(found)) == len(found)
    assert now(prepare=[{**BY, "test": [5, 6]}]) == now()


def test_what_a_named_dataset_brings_is_its_default(tmp_path: Path) -> None:
    bare = DataSpec(name="smartwatch-imu")
    window = {"op": "window", "length": 128, "stride": 50, "by": "subject", "validation": ["8"], "test": ["9", "10"]}
    said = DataSpec.model_validate({"name": "smartwatch-imu", "prepare": [window], "rate": 50, "sample_bits": 16})
    assert bare.steps == said.steps == (Window.model_validate(window),)
    assert bare.sensor == said.sensor == (50, 16)
    assert bare.spelt_out() == said
    assert len({load_dataset(each, tmp_path.joinpath, tmp_path, 7).digest for each in (bare, said)}) == 1
    assert DataSpec.model_validate({"name": "smartwatch-imu", "rate": 25}).sensor == (25, 16)
    table = DataSpec(name="movie-sentiment", prepare={"tokens": 32})
    assert table.spelt_out() == table
    assert table.steps == ()


def test_steps_run_in_turn(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, (60, 12, 8, 3), np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(60) % 3)
    steps = [{"op": "resize", "height": 6, "width": 4}, {"op": "grayscale"}]
    dataset = load_in(tmp_path, path="x.npz", prepare=steps, scale=1 / 255)
    plain = load_in(tmp_path, path="x.npz", scale=1 / 255)
    assert dataset.task.input_shape == (6, 4, 1)
    assert dataset.test.x.dtype == np.uint8
    assert np.array_equal(dataset.test.ids, plain.test.ids)
    expected = x[dataset.test.ids].mean(axis=(1, 2, 3))
    assert dataset.test.x.mean(axis=(1, 2, 3)) == pytest.approx(expected, abs=15)
    assert any("resize and grayscale makes the examples" in note for note in dataset.warnings)
    assert not any("the device has to" in note for note in plain.warnings)


def test_images_of_several_sizes(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for index in range(24):
        folder = tmp_path / "images" / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (10 + index, 9, 3), np.uint8)).save(folder / f"{index}.png")
    assert "bring all images to one size: prepare" in refused(tmp_path, path="images")
    dataset = load_in(tmp_path, path="images", scale=0.004, prepare=[{"op": "resize", "height": 8, "width": 8}])
    assert dataset.train.x.shape[1:] == (8, 8, 3)
    assert "images of 24 sizes are resized as they are read" in dataset.warnings[0]


def test_columns_of_examples_become_groups(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(60, 4))
    columns = {"device": np.arange(60) % 5, "place": np.array(["in", "out"] * 30)}
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(60) % 3, odd=np.zeros(7), wide=np.zeros((60, 2)), **columns)
    dataset = load_in(tmp_path, path="x.npz")
    for split in (dataset.train, dataset.validation, dataset.calibration, dataset.test):
        assert {name: column.tolist() for name, column in split.groups.items()} == {
            name: column[split.ids].astype(str).tolist() for name, column in columns.items()
        }
    notes = [note.split(": ")[-1] for note in dataset.warnings]
    assert notes[0] == "arrays odd, wide are not read"


def test_columns_of_parts_become_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    table: dict[str, Any] = {}
    for part, count in (("train", 60), ("test", 30)):
        table |= {f"x_{part}": rng.normal(size=(count, 4)), f"y_{part}": np.arange(count) % 3}
        table |= {f"device_{part}": np.arange(count) % 5}
    np.savez(tmp_path / "x.npz", **table)
    dataset = load_in(tmp_path, path="x.npz")
    assert dataset.train.groups["device"].tolist() == [str(number % 5) for number in dataset.train.ids]
    assert dataset.test.groups["device"].tolist() == [str(number % 5) for number in range(30)]


def test_columns_of_tables_become_groups(tmp_path: Path) -> None:
    lines = [f"{index % 7},{index * 3 % 11},{'ab'[index % 2]},d{index % 4}" for index in range(80)]
    (tmp_path / "x.csv").write_text("\n".join(["p,q,kind,device", *lines]))
    dataset = load_in(tmp_path, path="x.csv", label="kind", groups=["device"])
    assert dataset.train.x.shape[1] == 2
    assert dataset.train.groups["device"].tolist() == [f"d{number % 4}" for number in dataset.train.ids]


def test_rows_of_a_recording_stay_together(tmp_path: Path) -> None:
    recordings.write_npz(tmp_path / "x.npz")
    dataset = load_in(tmp_path, path="x.npz")
    held = [set(split.groups["recording"]) for split in (dataset.train, dataset.validation, dataset.test)]
    assert sum(map(len, held)) == len(set.union(*held)) == 18
    assert "has recordings, which stay whole" in refused(tmp_path, path="x.npz", validation=0.2)


def test_a_recording_in_two_parts_is_a_leak(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    table: dict[str, Any] = {"x_train": rng.normal(size=(60, 4)), "y_train": np.arange(60) % 3}
    table |= {"recording_train": np.arange(60) // 3, "recording_test": 20 + np.arange(60) // 3}
    table |= {"x_test": table["x_train"], "y_test": table["y_train"]}
    np.savez(tmp_path / "x.npz", **table)
    dataset = load_in(tmp_path, path="x.npz")  # equal examples of different recordings are none
    held = [set(split.groups["recording"]) for split in (dataset.train, dataset.validation, dataset.test)]
    assert sum(map(len, held)) == len(set.union(*held)) == 40
    table["recording_test"][-1] = 4
    np.savez(tmp_path / "x.npz", **table)
    assert "has the recording '4' in train and in test" in refused(tmp_path, path="x.npz")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_columns_of_text_become_groups(tmp_path: Path, suffix: str) -> None:
    words = ["good", "bad", "nice", "poor"]
    rows = [{"text": f"{words[i % 4]} day {i}", "kind": "pn"[i % 2], "author": f"a{i % 5}"} for i in range(60)]
    if suffix == ".jsonl":
        content = "\n".join(json.dumps(row) for row in rows)
    else:
        content = "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)])
    (tmp_path / f"x{suffix}").write_text(content)
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, "day"]))
    keys: dict[str, Any] = {
        "path": f"x{suffix}",
        "text": "text",
        "label": "kind",
        "prepare": {"tokenizer": "vocab.txt"},
    }
    dataset = load_in(tmp_path, **keys, groups=["author"])
    assert dataset.train.groups["author"].tolist() == [f"a{number % 5}" for number in dataset.train.ids]
    assert set(load_in(tmp_path, **keys).train.groups) == set()
    assert "has no column 'autor'" in refused(tmp_path, **keys, groups=["autor"])
