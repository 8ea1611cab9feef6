"""Every kind of source becomes the same Dataset: disjoint, stratified, checked, digested."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tinyc.data.dataset import Dataset
from tinyc.data.inputs import inputs
from tinyc.data.known_datasets import EMBEDDED
from tinyc.data.loading import content_digest, load_dataset, read_raw, seal
from tinyc.spec.data import DataSpec

RNG = np.random.default_rng(3)


def load_in(folder: Path, seed: int = 7, **keys: object) -> Dataset:
    spec = DataSpec.model_validate(keys)
    return load_dataset(spec, folder.joinpath, folder / "cache", seed)


def digest_in(folder: Path, **keys: object) -> str:
    spec, cache = DataSpec.model_validate(keys), folder / "cache"
    raw = read_raw(spec, folder.joinpath, cache) if spec.load else None
    return seal(spec, content_digest(spec, folder.joinpath, cache, raw))


def check_splits(dataset: Dataset) -> None:
    ids = [set(split.ids.tolist()) for split in (dataset.train, dataset.validation, dataset.test)]
    assert sum(map(len, ids)) == len(set.union(*ids))
    assert set(dataset.calibration.ids.tolist()) <= ids[0]
    for split in (dataset.train, dataset.validation, dataset.calibration, dataset.test):
        assert len(split.x) == len(split.y) == len(split.ids)
        assert split.x.dtype in (np.uint8, np.float32)
        assert split.y.dtype == split.ids.dtype == np.int64
        assert split.x.shape[1:] == dataset.task.input_shape
        assert set(split.y) <= set(range(len(dataset.task.classes)))


def test_the_embedded_dataset(tmp_path: Path) -> None:
    path = EMBEDDED / "fashion-mnist.npz"
    assert path.stat().st_size < 8_000_000
    assert (EMBEDDED / "fashion-mnist.LICENSE").read_text().count("MIT License") == 1
    content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == "779a01ea1dd2bc2c10c2dc3325fdfaac47b5ba2aaf5adfc5fb26ede2d5cb77d5"
    dataset = load_in(tmp_path, name="fashion-mnist")
    check_splits(dataset)
    sizes = [len(part) for part in (dataset.train, dataset.validation, dataset.calibration, dataset.test)]
    assert sizes == [11_000, 1000, 200, 4000]
    assert dataset.task.input_shape == (28, 28, 1)
    assert dataset.task.scale == pytest.approx(1 / 255)
    assert dataset.task.classes[:2] == ("T-shirt/top", "Trouser")
    assert np.bincount(dataset.calibration.y).tolist() == [20] * 10
    assert dataset.warnings == ()
    assert dataset.test.ids.tolist() == list(range(12_000, 16_000))


def test_validation_is_cut_from_train_and_the_rest_stays(tmp_path: Path) -> None:
    first = load_in(tmp_path, name="fashion-mnist", validation=500)
    second = load_in(tmp_path, seed=8, name="fashion-mnist", validation=0.25, scale=1.0)
    assert len(first.validation) == 500
    assert len(second.validation) == 3000
    assert np.array_equal(first.test.x, second.test.x)
    assert set(first.train.ids) | set(first.validation.ids) == set(range(12_000))
    share = np.bincount(second.validation.y) / np.bincount(np.r_[second.validation.y, second.train.y])
    assert share == pytest.approx([0.25] * 10, abs=0.002)
    x = {
        index: example
        for split in (second.train, second.validation)
        for index, example in zip(split.ids, split.x, strict=True)
    }
    assert all(
        np.array_equal(x[index], example)
        for index, example in zip(first.train.ids[:50], first.train.x[:50], strict=True)
    )


def blobs(count: int, classes: int = 3, features: int = 4) -> tuple[NDArray[Any], NDArray[Any]]:
    y = np.arange(count) % classes
    return (RNG.normal(size=(count, features)) + y[:, None]).astype(np.float32), y


def test_npz_with_its_own_splits(tmp_path: Path) -> None:
    (a, p), (b, q), (c, r) = blobs(60), blobs(30), blobs(21)
    np.savez(
        tmp_path / "x.npz", x_train=a, y_train=p, x_test=b, y_test=q, x_val=c, y_val=r, class_names=["u", "v", "w"]
    )
    dataset = load_in(tmp_path, path="x.npz", calibration=9)
    check_splits(dataset)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [60, 21, 30]
    assert dataset.task.classes == ("u", "v", "w")
    assert dataset.name == "x.npz"
    assert np.array_equal(dataset.train.x, a)


def test_npz_to_be_split(tmp_path: Path) -> None:
    x, y = blobs(200, classes=4)
    np.savez(tmp_path / "x.npz", x=x.astype(np.float64), y=y.astype(np.uint8)[:, None], extra=x)
    dataset = load_in(tmp_path, path="x.npz")
    check_splits(dataset)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [140, 20, 40]
    assert np.bincount(dataset.test.y).tolist() == [10] * 4
    assert np.bincount(dataset.validation.y).tolist() == [5] * 4
    assert any("array 'extra' is not read" in note for note in dataset.warnings)
    assert any("train has 140 examples, fewer than the 200 that calibrate by default" in w for w in dataset.warnings)
    asked = load_in(tmp_path, path="x.npz", calibration=500).warnings
    assert any("calibration = 500, but train has 140 examples; all of them calibrate" in note for note in asked)
    other = load_in(tmp_path, seed=8, path="x.npz")
    assert set(other.test.ids) != set(dataset.test.ids)
    assert all(np.array_equal(x[index], example) for index, example in zip(other.test.ids, other.test.x, strict=True))


def test_copies_in_data_to_be_split_stay_together(tmp_path: Path) -> None:
    x, y = blobs(60)
    np.savez(tmp_path / "x.npz", x=np.tile(x, (3, 1)), y=np.tile(y, 3))
    dataset = load_in(tmp_path, path="x.npz")
    trained = {row.tobytes() for part in (dataset.train, dataset.validation) for row in part.x}
    assert not any(row.tobytes() in trained for row in dataset.test.x)
    assert [len(dataset.train) + len(dataset.validation), len(dataset.test)] == [144, 36]
    assert "120 examples are copies of others" in dataset.warnings[0]


def test_a_small_overlap_is_a_warning(tmp_path: Path) -> None:
    (a, p), (b, q) = blobs(60), blobs(300)
    b[5], b[299] = a[17], a[40]
    np.savez(tmp_path / "x.npz", x_train=a, y_train=p, x_test=b, y_test=q)
    dataset = load_in(tmp_path, path="x.npz")
    notes = [note for note in dataset.warnings if "also in" in note]
    assert len(notes) == 1
    assert (
        "2 of 300 examples of x_test are also in x_train: x_test[5] = x_train[17], x_test[299] = x_train[40]"
        in notes[0]
    )


def test_grey_images_get_a_channel_and_names_become_labels(tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (30, 6, 5), np.uint8)
    y = np.array(["dog", "cat", "ant"] * 10)
    np.savez(tmp_path / "x.npz", x=x, y=y)
    dataset = load_in(tmp_path, path="x.npz", scale=1 / 255)
    check_splits(dataset)
    assert dataset.task.input_shape == (6, 5, 1)
    assert dataset.task.classes == ("ant", "cat", "dog")
    assert [dataset.task.classes[label] for label in dataset.train.y] == y[dataset.train.ids].tolist()
    np.savez(tmp_path / "x.npz", x=x / 255, y=y)
    assert "are read as grey images (6, 5, 1)" in load_in(tmp_path, path="x.npz").warnings[0]


def test_csv(tmp_path: Path) -> None:
    lines = ["\ufeffwidth, height ,kind"] + [
        f"{index / 7},{index % 5},{'3' if index % 2 else '12'}" for index in range(50)
    ]
    (tmp_path / "rows.csv").write_text("\r\n".join(lines) + "\n\n", encoding="utf-8")
    dataset = load_in(tmp_path, path="rows.csv", label="kind")
    check_splits(dataset)
    assert dataset.task.classes == ("3", "12")
    assert dataset.task.input_shape == (2,)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [35, 5, 10]
    assert dataset.train.x[0] == pytest.approx([dataset.train.ids[0] / 7, dataset.train.ids[0] % 5])


def draw(path: Path, value: int, mode: str = "L", size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    pixels = np.random.default_rng(value).integers(0, 255, shape, np.uint8)
    Image.fromarray(pixels).save(path)


def test_image_folders(tmp_path: Path) -> None:
    for part, count in (("train", 20), ("test", 6)):
        for number, name in enumerate(("cat", "dog")):
            for index in range(count):
                draw(tmp_path / "pets" / part / name / f"{index:02}.png", 1000 * number + 100 * len(part) + index)
    (tmp_path / "pets" / "train" / "cat" / "notes.txt").write_text("x")
    (tmp_path / "pets" / "train" / "cat" / ".hidden").write_text("x")
    dataset = load_in(tmp_path, path="pets", scale=1 / 255)
    check_splits(dataset)
    assert dataset.task.classes == ("cat", "dog")
    assert dataset.task.input_shape == (6, 8, 1)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [36, 4, 12]
    assert "1 files or folders that are not images are not read" in dataset.warnings[0]
    assert np.array_equal(dataset.test.x[7, ..., 0], np.asarray(Image.open(tmp_path / "pets/test/dog/01.png")))
    assert dataset.test.y.tolist() == [0] * 6 + [1] * 6


def test_one_folder_a_class_in_colour(tmp_path: Path) -> None:
    for index in range(10):
        draw(tmp_path / "pets" / "cat" / f"{index}.bmp", index, "RGB")
        draw(tmp_path / "pets" / "dog" / f"{index}.PNG", 50 + index, "RGB" if index else "L")
    dataset = load_in(tmp_path, path="pets", scale=1 / 255)
    check_splits(dataset)
    assert dataset.task.input_shape == (6, 8, 3)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [14, 2, 4]
    assert "1 grey images among colour ones become colour" in dataset.warnings[0]


FUNCTION = """
import numpy as np

def moons(count=60, noise=0.1):
    angle = np.linspace(0, 3, count)
    y = np.arange(count) % 2
    return {"x": np.stack([np.cos(angle) + y, np.sin(angle) * noise], 1), "y": y.tolist()}
"""


def test_a_function(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text(FUNCTION)
    dataset = load_in(tmp_path, load={"build": "data.py:moons", "count": 80})
    check_splits(dataset)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [56, 8, 16]
    assert dataset.name == "data.py:moons"


def test_the_digest_knows_what_counts(tmp_path: Path) -> None:
    x, y = blobs(60)
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, x=x, y=y)
    x[3, 1] += 1
    np.savez(tmp_path / "c.npz", x=x, y=y)
    first = digest_in(tmp_path, path="a.npz")
    assert digest_in(tmp_path, path="b.npz") == first
    others = [
        digest_in(tmp_path, path="c.npz"),
        digest_in(tmp_path, path="a.npz", validation=5),
        digest_in(tmp_path, path="a.npz", scale=2.0),
        digest_in(tmp_path, path="a.npz", metric="f1"),
    ]
    assert len({first, *others}) == 5


def test_the_digest_of_images_knows_names_and_bytes(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for index in range(3):
            draw(tmp_path / "pets" / name / f"{index}.png", index + ord(name[0]))
    first = digest_in(tmp_path, path="pets")
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("x")
    assert digest_in(tmp_path, path="pets") == first
    (tmp_path / "pets" / "cat" / "0.png").rename(tmp_path / "pets" / "dog" / "9.png")
    assert digest_in(tmp_path, path="pets") != first


def test_the_digest_of_a_function_knows_code_and_arrays(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text(FUNCTION)
    first = digest_in(tmp_path, load="data.py:moons")
    assert digest_in(tmp_path, load={"build": "data.py:moons", "noise": 0.2}) != first
    (tmp_path / "data.py").write_text(FUNCTION + "\n# changed\n")
    assert digest_in(tmp_path, load="data.py:moons") != first


def test_floats_are_what_networks_see(tmp_path: Path) -> None:
    task = load_in(tmp_path, name="fashion-mnist").task
    x = np.array([[0, 51, 255]], np.uint8)
    seen = inputs(x, replace(task, offset=-0.5))
    assert seen.dtype == np.float32
    assert seen == pytest.approx(np.array([[-0.5, -0.3, 0.5]]), abs=1e-6)


def test_training_data_has_no_test_split(tmp_path: Path) -> None:
    data = load_in(tmp_path, name="fashion-mnist").for_training()
    assert not hasattr(data, "test")


def test_labels_as_python_strings_have_one_digest(tmp_path: Path) -> None:
    """Their bytes are addresses, which differ from call to call (pandas gives such arrays)."""
    (tmp_path / "data.py").write_text(
        "import numpy as np\n"
        "def make():\n"
        "    y = np.array([''.join(['c', 'la', 'ss', str(i % 3)]) for i in range(90)], dtype=object)\n"
        "    return {'x': np.random.default_rng(0).random((90, 4)), 'y': y}\n"
    )
    kept = [load_in(tmp_path, load="data.py:make") for _ in range(3)]
    assert len({dataset.digest for dataset in kept}) == 1


@pytest.mark.parametrize("label", ["--5", "9" * 5000, "01"])
def test_csv_labels_that_are_almost_numbers(tmp_path: Path, label: str) -> None:
    rows = "".join(f"{i},{i % 7},{(label, '7')[i % 2]}\n" for i in range(60))
    (tmp_path / "rows.csv").write_text(f"a,b,kind\n{rows}")
    assert load_in(tmp_path, path="rows.csv", label="kind").task.classes == tuple(sorted((label, "7")))
