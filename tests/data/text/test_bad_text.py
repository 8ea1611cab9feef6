"""Every way in which text can be wrong: one message with the file, the line and the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from support import movies, refusals

from tinyc.data.loading import load_dataset
from tinyc.spec.data import DataSpec

COLUMNS = {"text": "text", "label": "label"}
SPLIT = {**COLUMNS, "split": "split"}
GOOD = "A good film.,pos\nNever dull!,pos\nMoving.,pos\nThe worst.,neg\nBoring,neg\nToo long,neg\n"


def refused(folder: Path, language: object = True, **keys: object) -> str:
    return refusals.refused(folder, movies.language() if language else None, **keys)


def lines(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


FILES: list[tuple[str, bytes, dict[str, str], str]] = [
    ("x.csv", b"", COLUMNS, "x.csv:1: has no column 'text'\n  it has no columns"),
    ("x.csv", b"text,label\n", COLUMNS, "x.csv: has no sentences"),
    ("x.csv", b"texts,label\nFine,1\n", COLUMNS, "x.csv:1: has no column 'text'\n  did you mean 'texts'?"),
    ("x.csv", b"text,labels\nFine,1\n", COLUMNS, "x.csv:1: has no column 'label'\n  did you mean 'labels'?"),
    ("x.csv", b"a,b\nFine,1\n", COLUMNS, "the columns are 'a', 'b'"),
    ("x.csv", b"text;label\nFine;1\n", COLUMNS, "x.csv:1: has no column 'text'\n  separate the cells by commas"),
    ("x.tsv", b"text,label\nFine,1\n", COLUMNS, "x.tsv:1: has no column 'text'\n  separate the cells by tabs"),
    ("x.csv", b"text,text,label\n", COLUMNS, "x.csv:1: has the column 'text' twice"),
    ("x.csv", b"text,label\nFine, and long,1\n", COLUMNS, "x.csv:2: has 3 cells, the header 2"),
    ("x.csv", b'text,label\n"Two\nlines",1\nFine\n', COLUMNS, "x.csv:4: has 1 cells, the header 2"),
    ("x.tsv", b"text\tlabel\nFine\t1\nA\ttab\t1\n", COLUMNS, "x.tsv:3: has 3 cells, the header 2"),
    ("x.csv", b'text,label\nFine,1\n"Never closed,1\n', COLUMNS, "x.csv:3: cannot be read"),
    ("x.csv", b"text,label\nFine,1\nCaf\xe9,1\n", COLUMNS, "x.csv:3: is not UTF-8: byte 0xe9"),
    ("x.jsonl", b'{"text": "Caf\xe9", "label": 1}', COLUMNS, "x.jsonl:1: is not UTF-8: byte 0xe9"),
    ("x.csv", b"text,label\nFine,1\n  ,1\n", COLUMNS, "x.csv:3: has an empty sentence"),
    ("x.csv", b"text,label\nFine,1\n\nBad, \n", COLUMNS, "x.csv:4: has no label in 'label'"),
    ("x.csv", b"text,label\nFine,1\nBad,1\n", COLUMNS, "x.csv: has one class, '1'"),
    ("x.csv", b"text,label\nFine,1\nBad,0\n", COLUMNS, "has fewer than 3 different examples of '0' (1), '1' (1)"),
    ("x.csv", b"text,label\n" + b"Fine,1\nBad,0\n" * 9, COLUMNS, "has fewer than 3 different examples"),
    ("x.jsonl", b"\n", COLUMNS, "x.jsonl: has no sentences"),
    ("x.jsonl", lines({"text": "Fine", "label": 1}) + b"\n{broken", COLUMNS, "x.jsonl:2: is not JSON"),
    ("x.jsonl", b"[" * 99_999, COLUMNS, "x.jsonl:1: is not JSON"),
    ("x.jsonl", lines(["Fine", 1]), COLUMNS, "x.jsonl:1: holds list, not an object"),
    ("x.jsonl", lines({"txt": "Fine", "label": 1}), COLUMNS, "x.jsonl:1: has no column 'text'\n  did you mean 'txt'?"),
    ("x.jsonl", lines({}), COLUMNS, "x.jsonl:1: has no column 'text'\n  it has no columns"),
    ("x.jsonl", lines({"text": "Fine"}), COLUMNS, "x.jsonl:1: has no column 'label'"),
    ("x.jsonl", lines({"text": 5, "label": 1}), COLUMNS, "x.jsonl:1: holds 5, not a string"),
    ("x.jsonl", lines({"text": None, "label": 1}), COLUMNS, "x.jsonl:1: holds None, not a string"),
    ("x.jsonl", lines({"text": "", "label": 1}), COLUMNS, "x.jsonl:1: has an empty sentence"),
    ("x.jsonl", lines({"text": "half \ud83d", "label": 1}), COLUMNS, "x.jsonl:1: has a sentence with half a character"),
    ("x.jsonl", lines({"text": "Fine", "label": None}), COLUMNS, "x.jsonl:1: has no label in 'label'"),
    ("x.jsonl", lines({"text": "Fine", "label": 0.5}), COLUMNS, "x.jsonl:1: has 0.5 in 'label', not a class"),
    ("x.jsonl", b'{"text": "a", "label": 1, "text": "b"}', COLUMNS, "x.jsonl:1: has the key 'text' twice"),
    ("x.jsonl", b'{"text": "a", "label": ' + b"9" * 5000 + b"}", COLUMNS, "x.jsonl:1: is not JSON: Exceeds the limit"),
    ("x.jsonl", b'{"text": "a", "label": NaN}', COLUMNS, "x.jsonl:1: has nan in 'label', not a class"),
    ("x.jsonl", b'{"text": "a", "label": {"b": 1}}', COLUMNS, "x.jsonl:1: has {'b': 1} in 'label', not a class"),
    ("x.jsonl", b'{"text": "a", "label": "half \\ud800"}', COLUMNS, "x.jsonl:1: has a label with half a character"),
    ("x.jsonl", b"[\n" + lines({"text": "Fine", "label": 1}) + b"\n]", COLUMNS, "x.jsonl:1: is not JSON"),
    ("x.jsonl", b'{"text": "a\0"}', COLUMNS, "x.jsonl:1: holds a NUL byte, so it is not text in UTF-8"),
    ("x.jsonl", lines(dict.fromkeys(map(str, range(10_001)))), COLUMNS, "x.jsonl:1: has 10,001 columns; at most"),
    ("x.jsonl", b'{"text": "' + b"a" * (5 << 20), COLUMNS, "x.jsonl:1: has a line of more than 4,194,304 characters"),
    ("x.tsv", b"text\tlabel\n" + b"a" * 131_073 + b"\t1", COLUMNS, "x.tsv:2: has a cell of more than 131,072"),
    ("x.csv", "text,label\nFine,1\n".encode("utf-16"), COLUMNS, "x.csv:1: is not UTF-8: byte 0xff"),
    ("x.csv", "text,label\nFine,1\n".encode("utf-16-le"), COLUMNS, "x.csv:1: holds a NUL byte"),
    ("x.csv", b"text,label,split\nFine,1,trian\n", SPLIT, "x.csv:2: has 'trian' in 'split'"),
    ("x.csv", b"text,label\nFine,1\n", SPLIT, "x.csv:1: has no column 'split'"),
    ("x.csv", b"text,label,split\nFine,1,train\nBad,0,train\n", SPLIT, "x.csv: has no row with 'test' in 'split'"),
    (
        "x.csv", b"text,label,split\nFine,1,train\nBad,0,train\nfine,1,test\nDull,0,test\n", SPLIT,
        "1 of 2 examples of x_test are also in x_train: x_test[0] = x_train[0]",
    ),
    ("x.csv", b"text,label,split\nFine,1,train\nBad,0,train\nDull,0,test\n", SPLIT, "test has no example of '1'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "columns", "message"), FILES, ids=[message for *_, message in FILES])
def test_files(tmp_path: Path, name: str, content: bytes, columns: dict[str, str], message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refused(tmp_path, path=name, **columns)


FUNCTIONS: list[tuple[str, str]] = [
    ("{'x': ['a', 'b'], 'y': [0]}", "x: has the shape (2,), but y (1,)"),
    ("{'x': np.array(['a', 5], object), 'y': [0, 1]}", "x[1]: holds 5, not a string"),
    ("{'x': np.array(['a', None], object), 'y': [0, 1]}", "x[1]: holds None, not a string"),
    (
        "{'x': np.array(['a', type('Shy', (), {'__repr__': lambda self: 1 / 0})()], object), 'y': [0, 1]}",
        "x[1]: holds a Shy, not a string, for a sentence",
    ),
    ("{'x': ['a', ' '], 'y': [0, 1]}", "x[1]: has an empty sentence"),
    ("{'x': [b'a', b'b'], 'y': [0, 1]}", "x: has the shape (2,)"),
    (
        "{'x_train': ['a', 'b'], 'y_train': [0, 1], 'x_test': [[1.0], [2.0]], 'y_test': [0, 1]}",
        "x_test: holds float64 of shape (2, 1), where another part holds sentences",
    ),
]


@pytest.mark.parametrize(("returned", "message"), FUNCTIONS)
def test_functions(tmp_path: Path, returned: str, message: str) -> None:
    (tmp_path / "data.py").write_text(f"import numpy as np\n\n\ndef make():\n    return {returned}\n")
    assert message in refused(tmp_path, load="data.py:make")


VOCABULARIES: list[tuple[str, bytes, str]] = [
    ("vocab.txt", b"", "vocab.txt: has no [PAD]"),
    ("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\nfilm\n", "vocab.txt: has no [SEP]"),
    ("vocab.txt", b"film\n[PAD]\n[UNK]\n[CLS]\n[SEP]\n", "vocab.txt: begins with 'film', not [PAD]"),
    ("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\nfilm\nfilm\n", "vocab.txt: has 1 duplicate pieces"),
    ("vocab.txt", b"[PAD]\n\xff\n", "vocab.txt: is not UTF-8"),
    ("tokenizer.json", b"{}", "tokenizer.json: is not a tokenizer"),
]


@pytest.mark.parametrize(("name", "content", "message"), VOCABULARIES)
def test_tokenizers(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / "x.csv").write_text("text,label\n" + GOOD)
    (tmp_path / name).write_bytes(content)
    assert message in refused(tmp_path, language=False, path="x.csv", **COLUMNS, prepare={"tokenizer": name})


def test_no_tokenizer_or_two(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text,label\n" + GOOD)
    movies.write_vocabulary(tmp_path)
    load_dataset(DataSpec(path="x.csv", **COLUMNS), tmp_path.joinpath, tmp_path, 7, movies.language())
    assert "nothing says how they become tokens" in refused(tmp_path, language=False, path="x.csv", **COLUMNS)
    assert "movie-sentiment: holds sentences" in refused(tmp_path, language=False, name="movie-sentiment")
    two = refused(tmp_path, path="x.csv", **COLUMNS, prepare={"tokenizer": "vocab.txt"})
    assert "the source brings its own tokenizer" in two


def test_prepare_for_numbers(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text("def make():\n    return {'x': [[1.0], [2.0]] * 9, 'y': [0, 1] * 9}\n")
    assert "holds no sentences" in refused(tmp_path, load="data.py:make", prepare={"tokens": 8})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"path": "x.tsv"}, "x.tsv is read as text; say which column holds the sentences"),
        ({"path": "x.jsonl", "label": "kind"}, "x.jsonl is read as text"),
        ({"path": "x.csv", "text": "t"}, 'needs the column of the labels, too: label = "column"'),
        ({"path": "x.npz", **COLUMNS}, "text = 'text' names a column of a .csv, .tsv or .jsonl, and the data is x"),
        ({"name": "movie-sentiment", **COLUMNS}, "and the data is movie-sentiment"),
        ({"load": "data.py:make", **COLUMNS}, "and the data is a function"),
        ({"path": "x.csv", "label": "b", "split": "c"}, "split = 'c' names a column beside `text`"),
        ({"path": "x.csv", "label": "a", "text": "a"}, "the column 'a' cannot hold two of text, label and split"),
        ({"path": "x.csv", **COLUMNS, "scale": 2.0}, "scale and offset are for numbers"),
        ({"name": "movie-sentiment", "offset": 2.0}, "scale and offset are for numbers"),
        ({"name": "fashion-mnist", "prepare": {}}, "prepare is for text, and fashion-mnist is not"),
        ({"path": "x.csv", "label": "b", "prepare": {}}, 'for sentences in a file add text = "column"'),
        ({"path": "x.csv", **COLUMNS, "prepare": {"tokens": 3}}, "greater than or equal to 4"),
        ({"path": "x.csv", **COLUMNS, "prepare": {"tokens": 513}}, "less than or equal to 512"),
        ({"path": "x.csv", **COLUMNS, "prepare": {"token": 9}}, "Extra inputs are not permitted"),
        ({"name": "movie-sentiments"}, "did you mean 'movie-sentiment'?"),
    ],
)
def test_keys(table: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DataSpec.model_validate(table)
    assert message in str(caught.value)


def test_an_npz_of_sentences_needs_a_tokenizer_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.array([f"film {i}" for i in range(20)]), y=[0, 1] * 10)
    assert "nothing says how they become tokens" in refused(tmp_path, language=False, path="x.npz")
    spec = DataSpec.model_validate({"path": "x.npz", "prepare": {"tokens": 8}})
    assert load_dataset(spec, tmp_path.joinpath, tmp_path, 7, movies.language()).task.input_shape == (8,)
