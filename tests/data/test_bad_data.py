"""Every way in which data can be wrong: one message that names the place and the remedy, and the exit code."""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.refusals import refused

from tinyc.core import limits
from tinyc.data.loading import load_dataset
from tinyc.spec.data import DataSpec


def good(**changes: Any) -> dict[str, Any]:
    """Arrays that load, with some changed; None drops one."""
    rng = np.random.default_rng(5)
    arrays: dict[str, Any] = {
        "x_train": rng.normal(size=(60, 4)),
        "y_train": np.arange(60) % 3,
        "x_test": rng.normal(size=(30, 4)),
        "y_test": np.arange(30) % 3,
    }
    arrays.update(changes)
    return {name: value for name, value in arrays.items() if value is not None}


def but(name: str, index: Any, value: Any) -> dict[str, Any]:
    """Arrays that load, but for one value."""
    arrays = good()
    arrays[name][index] = value
    return arrays


FEW = np.arange(6) % 3
ONE_HOT = {"y_train": np.eye(3)[np.arange(60) % 3], "y_test": np.eye(3)[np.arange(30) % 3]}
SHARED = np.random.default_rng(5).normal(size=(60, 4))[10:40]

ARRAYS: list[tuple[Mapping[str, Any], str]] = [
    ({}, "lacks x_train, y_train, x_test, y_test; it has nothing"),
    (good(y_test=None), "lacks y_test; it has x_train, y_train, x_test"),
    (good(y_test=None, y_tst=FEW), "is 'y_tst' meant as y_test?"),
    (good(x_val=np.ones((6, 4))), "lacks y_val"),
    (good(x=np.ones((6, 4))), "mixes x with x_train"),
    ({"x": np.ones((6, 4))}, "has no labels to train on: it lacks y, and has x\n  tinyc compresses classifiers"),
    (good(y_train=None), "has no labels to train on: it lacks y_train, and has x_train, x_test, y_test"),
    (good(y_train=np.arange(59) % 3), "x_train: has the shape (60, 4), but y_train (59,)"),
    (good(x_test=np.ones((30, 5))), "x_test: holds examples of shape (5,), but x_train of (4,)"),
    (good(x_train=np.ones(60)), "x_train: has the shape (60,)"),
    (good(x_train=np.ones((0, 4)), y_train=FEW[:0]), "x_train: has the shape (0, 4)"),
    (good(x_train=np.full((60, 4), "a")), "x_train: holds <U1, not numbers"),
    (good(x_train=np.ones((60, 4), np.complex64)), "x_train: holds complex64, not numbers"),
    (but("x_train", (7, 2), np.nan), "x_train: is nan at [7, 2], and 1 examples hold such values"),
    (but("x_test", slice(3, 5), np.inf), "x_test: is inf at [3, 0], and 2 examples"),
    (but("x_train", (0, 0), 1e300), "x_train: is 1e+300 at [0, 0]"),
    (good(x_test=np.ones((30, 4), np.uint8)), "mixes x_train float64, x_test uint8"),
    (good(x_train=np.ones((60, 4))), "x_train: holds nothing but 1"),
    (good(x_test=np.ones((30, 4))), "x_test: holds nothing but 1"),
    (good(x_test=np.random.default_rng(1).random((30, 4)) * 1000), "has parts in different units"),
    (good(y_train=np.arange(60) % 3 * 1.0), "y_train: holds float64, such as 0.0\n  if these are class numbers"),
    (good(y_train=np.arange(60) % 3 + 0.5), "y_train: holds float64, such as 0.5: amounts, not classes"),
    (good(y_train=np.eye(3)[np.arange(60) % 3]), "y_train: has the shape (60, 3): 3 values an example"),
    (good(**ONE_HOT), "y_train: has the shape (60, 3), each row one-hot\n  give y.argmax(axis=1)"),
    (good(y_train=np.zeros(60, np.complex64)), "y_train: holds complex64, not labels"),
    (but("y_train", 4, -1), "y_train: is -1 at [4]; labels are not negative"),
    (but("y_test", 4, 2024), "has the label 2024 among 90 examples"),
    (good(y_train=np.arange(60) % 2), "train has no example of '2'"),
    (good(y_test=np.zeros(30, int)), "test has no example of '1', '2'"),
    (good(y_train=1 + np.arange(60) % 2, y_test=1 + np.arange(30) % 2), "train has no example of '0'"),
    (good(y_train=np.zeros(60, int), y_test=np.zeros(30, int)), "has one class, '0'"),
    (good(class_names=["a", "b"]), "y_train: is 2 at [2], but class_names has 2 names"),
    (good(class_names=["a", "b", "c", "d"]), "train has no example of 'd'"),
    (good(class_names=["a", "b", "a"]), "class_names: names 'a' twice"),
    (good(class_names=[["a", "b", "c"]]), "class_names: is <U1 of shape (1, 3)"),
    (good(y_train=np.array(["a", "b", "c"] * 20)), "y_test: holds numbers where another part holds names"),
    (
        good(y_train=np.array(["a", "b", "c"] * 20), y_test=np.array(["a", "b"] * 15), class_names=["a", "b"]),
        "y_train: holds 'c', which class_names lacks",
    ),
    (good(x_test=SHARED), "30 of 30 examples of x_test are also in x_train: x_test[0] = x_train[10]"),
    ({"x": np.eye(6), "y": [0, 0, 0, 1, 1, 2]}, "has fewer than 3 different examples of '1' (2), '2' (1)"),
]


@pytest.mark.parametrize(("arrays", "message"), ARRAYS, ids=[message[:50] for _, message in ARRAYS])
def test_arrays(tmp_path: Path, arrays: Mapping[str, Any], message: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    said = refused(tmp_path, path="bad.npz")
    assert message in said
    assert said.startswith(str(tmp_path / "bad.npz"))


def test_the_good_arrays_load(tmp_path: Path) -> None:
    np.savez(tmp_path / "good.npz", **good())
    load_dataset(DataSpec(path="good.npz"), tmp_path.joinpath, tmp_path, 7)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"validation": 60}, "validation = 60 would leave none of 60 to train"),
        ({"scale": 1 / 255}, "already, and scale = 0.00392157 would shrink that to nothing"),
    ],
)
def test_arrays_with_keys(tmp_path: Path, keys: Mapping[str, Any], message: str) -> None:
    rng = np.random.default_rng(5)
    np.savez(tmp_path / "bad.npz", **good(x_train=rng.random((60, 4)), x_test=rng.random((30, 4))))
    assert message in refused(tmp_path, path="bad.npz", **keys)


def test_two_validations(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", **good(x_val=np.random.default_rng(8).normal(size=(6, 4)), y_val=FEW))
    assert "has a val part, and validation = 5 asks for another" in refused(tmp_path, path="bad.npz", validation=5)


def whole_file(content: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_bytes(content)

    return change


def zipped(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(f"{name}.npy", member)
    return content.getvalue()


def npz_bytes() -> bytearray:
    content = io.BytesIO()
    np.savez_compressed(content, **good())
    return bytearray(content.getvalue())


def flipped() -> bytes:
    content = npz_bytes()
    content[200:400] = bytes(200)
    return bytes(content)


def pickled() -> bytes:
    content = io.BytesIO()
    np.savez(content, **good(x_train=np.array([[1, 2], [3]] * 30, dtype=object)))
    return content.getvalue()


FILES: list[tuple[str, bytes, str]] = [
    ("bad.npz", b"", "is not an .npz (a zip of arrays), or is damaged"),
    ("bad.npz", pickle.dumps([1, 2]), "is not an .npz"),
    ("bad.npz", bytes(npz_bytes()[:-300]), "is not an .npz (a zip of arrays), or is damaged"),
    ("bad.npz", flipped(), "is damaged"),
    ("bad.npz", pickled(), "x_train: holds Python objects (a pickle)"),
    ("bad.npz", zipped(x_train=b"hello", y_train=b""), "x_train: is "),
    ("bad.npy", b"\x93NUMPY", "is a .npy file, which is not read"),
    ("bad", b"", "is a nameless file, which is not read"),
]


@pytest.mark.parametrize(("name", "content", "message"), FILES)
def test_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refused(tmp_path, path=name)


ROWS: list[tuple[str, str]] = [
    ("", "has no column 'kind'"),
    ("a,b,kind\n", "has no rows below its header"),
    ("a,b,kinds\n1,2,x\n", "bad.csv:1: has no column 'kind'\n  did you mean 'kinds'?"),
    ("a,b\n1,2\n", "the columns are 'a', 'b'"),
    ("a;b;kind\n1;2;x\n", "separate the cells by commas"),
    ("kind\nx\n", "bad.csv:1: has no column of features beside label and groups"),
    ("a,a,kind\n1,2,x\n", "has the column 'a' twice"),
    ("a,b,kind\n1,2,x\n1,2\n", "bad.csv:3: has 2 cells, the header 3"),
    ("a,b,kind\n\n1,2,x,4\n", "bad.csv:3: has 4 cells, the header 3"),
    ("a,b,kind\n1,two,x\n", "bad.csv:2: column 'b' has 'two', not a finite number"),
    ("a,b,kind\n1,2,x\n1,,x\n", "bad.csv:3: column 'b' has an empty cell"),
    ("a,b,kind\n1,nan,x\n", "bad.csv:2: column 'b' has 'nan'"),
    ("a,b,kind\n1,2, \n", "bad.csv:2: has no label in 'kind'"),
    ('a,b,kind\n1,"2,x\n', "bad.csv:2: cannot be read: unexpected end of data\n  correct the quotation marks"),
    ('a,b,kind\n1,"2"3,x\n', "bad.csv:2: cannot be read: ',' expected after '\"'"),
    ("a,b,kind\n1_000,2,x\n", "bad.csv:2: column 'a' has '1_000', not a finite number"),
    ("a,b,kind\n\u0661,2,x\n", "bad.csv:2: column 'a' has '\u0661', not a finite number"),
    ("a,b,kind\n" + "9" * 5000 + ",2,x\n", "bad.csv:2: column 'a' has '999999999999"),
    ("a,b,kind\n1,inf,x\n", "bad.csv:2: column 'b' has 'inf', not a finite number"),
    ("a,b,kind\n1,2,x\n3,4\0,y\n", "bad.csv:3: holds a NUL byte, so it is not text in UTF-8"),
    ("a,b,kind\n1,2," + "x" * 131_073, "bad.csv:2: has a cell of more than 131,072 characters"),
    ('a,b,kind\n1,2,x\n1,2,"x\n' + "1,2,x\n" * 30_000, "bad.csv:3: has a cell of more than 131,072 characters"),
    ("a,b,kind\n" + '1,"\n",' * 900_000, "bad.csv:2: has a row of more than 4,194,304 characters"),
    ("1," * 3_000_000, "bad.csv:1: has a line of more than 4,194,304 characters"),
    (",".join(f"c{i}" for i in range(100_000)) + ",kind\n", "bad.csv:1: has 100,001 columns; at most 10,000 are read"),
    ("a,b,kind\n" + "1," * 10_000 + "\n", "bad.csv:2: has 10,001 columns; at most 10,000 are read"),
    ("a,b,kind\n1,2,x\n3,4,x\n", "has one class, 'x'"),
    ("a,b,kind\n3,4,y\n" + "1,2,x\n" * 9, "has fewer than 3 different examples of 'x' (1)"),
    ("a,b,kind\n" + "1,2,x\n3,4,y\n" * 9, "has fewer than 3 different examples of 'x' (1), 'y' (1)"),
]


@pytest.mark.parametrize(("text", "message"), ROWS, ids=[message[:60] for _, message in ROWS])
def test_rows(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    said = refused(tmp_path, path="bad.csv", label="kind")
    assert message in said
    assert len(said) < 1000


def test_rows_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"a,kind\n\xff\xfe,1\n")
    assert "bad.csv:2: is not UTF-8: byte 0xff\n  save it as UTF-8" in refused(tmp_path, path="bad.csv", label="kind")


def picture(path: Path, size: tuple[int, int] = (8, 6), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32("/".join(path.parts[-3:]).encode())
    pixels = np.random.default_rng(seed).integers(0, 255, size[::-1], np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def pets(folder: Path) -> None:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            picture(folder / part / name / "1.png")


def drop(folder: Path) -> None:
    for path in (folder / "test" / "dog", folder / "test" / "cat", folder / "test"):
        for file in path.glob("*.png"):
            file.unlink()
        path.rmdir()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


FOLDERS: list[tuple[Callable[[Path], object], str]] = [
    (drop, "has no folder 'test' beside train"),
    (lambda folder: picture(folder / "more" / "1.png"), "has more beside train and test"),
    (lambda folder: (folder / "train" / "emu").mkdir(), "emu: has no images"),
    (lambda folder: picture(folder / "test" / "emu" / "1.png"), "has the class 'emu', which train lacks"),
    (lambda folder: picture(folder / "train" / "emu" / "1.png"), "test has no example of 'emu'"),
    (lambda folder: picture(folder / "test" / "dog" / "2.png", (9, 6)), "2.png: is 9x6, but"),
    (lambda folder: picture(folder / "test" / "dog" / "2.png", mode="I;16"), "2.png: has more than 8 bits a channel"),
    (lambda folder: truncate(folder / "test" / "dog" / "1.png"), "1.png: cannot be read as an image"),
    (lambda folder: (folder / "test" / "dog" / "2.jpg").write_text("hello"), "2.jpg: cannot be read as an image"),
]


@pytest.mark.parametrize(("spoil", "message"), FOLDERS)
def test_folders(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    pets(tmp_path / "pets")
    spoil(tmp_path / "pets")
    assert message in refused(tmp_path, path="pets")


@pytest.mark.parametrize(
    ("inner", "message"), [("pets", "has no folders of images"), ("pets/train", "no folder 'test'")]
)
def test_empty_folders(tmp_path: Path, inner: str, message: str) -> None:
    (tmp_path / inner).mkdir(parents=True)
    assert message in refused(tmp_path, path="pets")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 5", "data.py:make: returned int, not a dict of arrays"),
        ("return {'x': [[1, 2], [3]], 'y': [0, 1]}", "data.py:make: x: is not an array"),
        ("return {'x': [[1, 2]]}", "data.py:make: has no labels to train on: it lacks y, and has x"),
        ("return {}['x_train']", "data.py:2: make raised KeyError: 'x_train'"),
        ("return {'x': [[{}]] * 9, 'y': [0, 1, 2] * 3}", "data.py:make: x: holds Python objects"),
    ],
)
def test_functions(tmp_path: Path, body: str, message: str) -> None:
    (tmp_path / "data.py").write_text(f"def make():\n    {body}\n")
    assert message in refused(tmp_path, load="data.py:make")


def test_ten_thousand_columns(tmp_path: Path) -> None:
    """As many as are read; each row takes a time in proportion to them."""
    names = ",".join(f"c{index}" for index in range(9999))
    lines = [",".join([*(str((row * index) % 7) for index in range(9999)), "xy"[row % 2]]) for row in range(20)]
    (tmp_path / "wide.csv").write_text("\n".join([f"{names},kind", *lines]))
    dataset = load_dataset(DataSpec(path="wide.csv", label="kind"), tmp_path.joinpath, tmp_path, 7)
    assert dataset.task.input_shape == (9999,)
    assert dataset.train.x[0].tolist() == [(dataset.train.ids[0] * index) % 7 for index in range(9999)]


def test_numbers_beyond_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.csv").write_text("a,kind\n" + "1,x\n" * 400)
    monkeypatch.setattr(limits, "DATA_BYTES", 2000)
    assert "bad.csv:252: becomes arrays of 2.0 KiB; at most 2.0 KiB are read" in refused(
        tmp_path, path="bad.csv", label="kind"
    )


def test_a_group_of_long_values(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(f"a,who,kind\n1,{'w' * 1001},x\n")
    problem = "bad.csv:2: has 1,001 characters in 'who'; a group's value has at most 1,000"
    assert problem in refused(tmp_path, path="bad.csv", label="kind", groups=("who",))


def test_groups_that_take_more_room_than_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value takes the room of the longest."""
    lines = [f"{index},{'w' * 1000 if index == 7 else 'w'},{'xy'[index % 2]}" for index in range(400)]
    (tmp_path / "bad.csv").write_text("\n".join(["a,who,kind", *lines]))
    monkeypatch.setattr(limits, "DATA_BYTES", 1 << 20)
    said = refused(tmp_path, path="bad.csv", label="kind", groups=("who",))
    assert "bad.csv: column 'who': becomes arrays of 1.5 MiB; at most 1.0 MiB are read" in said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "gone.csv: there is no such file" in refused(tmp_path, path="gone.csv", label="kind")
