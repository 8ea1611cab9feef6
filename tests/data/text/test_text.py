"""Sentences become the same Dataset as everything else: from files, from functions, by name; with their tokens."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from support import movies

from tinyc.data.dataset import Dataset
from tinyc.data.inputs import inputs
from tinyc.data.loading import load_dataset
from tinyc.data.tokens import Language
from tinyc.spec.data import DataSpec

COLUMNS: dict[str, Any] = {"text": "text", "label": "label"}


def load_in(folder: Path, language: Language | None = None, seed: int = 7, **keys: object) -> Dataset:
    spec = DataSpec.model_validate(keys)
    return load_dataset(spec, folder.joinpath, folder / "cache", seed, language)


def write_csv(path: Path, delimiter: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        quoting: Any = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
        writer = csv.writer(file, delimiter=delimiter, quoting=quoting, quotechar=None if delimiter == "\t" else '"')
        writer.writerow(["label", "id", "text"])
        writer.writerows([label, index, text] for index, (_, label, text) in enumerate(movies.rows()))


def test_csv_tsv_and_jsonl_give_the_same(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv")
    write_csv(tmp_path / "x.tsv", "\t")
    movies.write_jsonl(tmp_path / "x.jsonl")
    found = [load_in(tmp_path, movies.language(), path=f"x.{kind}", **COLUMNS) for kind in ("csv", "tsv", "jsonl")]
    for dataset in found:
        assert dataset.task.classes == ("negative", "positive")
        assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [140, 20, 40]
        assert dataset.train.x.tolist() == found[0].train.x.tolist()
        assert dataset.test.y.tolist() == found[0].test.y.tolist()
    everything = {text: label for _, label, text in movies.rows()}
    assert {*found[0].train.x, *found[0].validation.x, *found[0].test.x} == set(everything)
    for text, y in zip(found[0].test.x, found[0].test.y, strict=True):
        assert found[0].task.classes[y] == everything[text]


def test_the_network_sees_token_ids(tmp_path: Path) -> None:
    movies.write_jsonl(tmp_path / "x.jsonl")
    dataset = load_in(tmp_path, movies.language(), path="x.jsonl", prepare={"tokens": 24}, **COLUMNS)
    assert dataset.task.input_shape == (24,)
    assert dataset.train.x.dtype == object
    ids = inputs(dataset.test.x, dataset.task)
    assert ids.dtype == np.int32
    assert ids.shape == (40, 24)
    assert ids.max() < len(movies.pieces())
    assert load_in(tmp_path, movies.language(), path="x.jsonl", **COLUMNS).task.input_shape == (64,)


def test_over_long_sentences_are_counted_and_said(tmp_path: Path) -> None:
    movies.write_jsonl(tmp_path / "x.jsonl")
    dataset = load_in(tmp_path, movies.language(), path="x.jsonl", prepare={"tokens": 30}, **COLUMNS)
    assert dataset.task.tokenizer is not None
    longer = [length > 30 for length in dataset.task.tokenizer.lengths(dataset.test.x)]
    assert 0 < sum(longer) < 40
    (warning,) = [each for each in dataset.warnings if "longer than 30 tokens and cut there" in each]
    assert f"{sum(longer)} of 40 sentences of test ({np.mean(longer):.1%})" in warning
    longest = max(dataset.task.tokenizer.lengths(movies.sentences()))
    whole = load_in(tmp_path, movies.language(), path="x.jsonl", calibration=9, prepare={"tokens": longest}, **COLUMNS)
    assert whole.warnings == ()


def test_sentences_without_a_token_are_said(tmp_path: Path) -> None:
    lines = [f'{{"text": "{text}", "label": {index % 2}}}' for index, text in enumerate(movies.pieces()[-30:])]
    (tmp_path / "x.jsonl").write_text("\n".join([*lines, '{"text": "\\u200b", "label": 1}']))
    warnings = load_in(tmp_path, movies.language(), path="x.jsonl", **COLUMNS).warnings
    assert any("without any token" in warning and "1 of" in warning for warning in warnings)


def test_copies_of_a_sentence_stay_together(tmp_path: Path) -> None:
    text = "\n".join(f'{{"text": "{text}", "label": "{label}"}}' for text, label in copies())
    (tmp_path / "x.jsonl").write_text(text)
    dataset = load_in(tmp_path, movies.language(), path="x.jsonl", **COLUMNS)
    tested = {text.casefold() for text in dataset.test.x}
    assert tested
    assert not tested & {text.casefold() for text in (*dataset.train.x, *dataset.validation.x)}
    assert "40 examples are copies of others" in dataset.warnings[0]


def copies() -> list[tuple[str, str]]:
    first = [(f"film number {index}", "ab"[index % 2]) for index in range(40)]
    return first + [(f"Film  Number {index}", label) for index, (_, label) in enumerate(first)]


def test_a_split_column_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("\n".join(["split\tlabel\ttext", *("\t".join(row) for row in movies.rows())]))
    dataset = load_in(tmp_path, movies.language(), path="x.tsv", split="split", **COLUMNS)
    assert dataset.test.x.tolist() == [text for part, _, text in movies.rows() if part == "test"]
    with_validation = [(("val", "test", "train")[index % 3], *row[1:]) for index, row in enumerate(movies.rows())]
    (tmp_path / "y.tsv").write_text("\n".join(["split\tlabel\ttext", *("\t".join(row) for row in with_validation)]))
    dataset = load_in(tmp_path, movies.language(), path="y.tsv", split="split", **COLUMNS)
    assert dataset.validation.x.tolist() == [text for part, _, text in with_validation if part == "val"]


def test_a_function_may_return_sentences(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text(
        "def make(kind):\n"
        "    import numpy as np\n"
        "    x = [f'a film of {i} parts' for i in range(40)]\n"
        "    return {'x': np.array(x, object) if kind else x, 'y': ['good', 'bad'] * 20}\n"
    )
    for kind in (0, 1):
        load_with = {"build": "data.py:make", "kind": kind}
        dataset = load_in(tmp_path, movies.language(), load=load_with, prepare={"tokens": 8})
        assert dataset.task.classes == ("bad", "good")
        assert dataset.train.x.dtype == object
        assert dataset.train.x[0].startswith("a film of ")


def test_the_tokenizer_may_be_a_file(tmp_path: Path) -> None:
    movies.write_jsonl(tmp_path / "x.jsonl")
    (tmp_path / "tokenizer.json").write_text(movies.definition())
    movies.write_vocabulary(tmp_path)
    ids = []
    for name in ("vocab.txt", "tokenizer.json"):
        dataset = load_in(tmp_path, path="x.jsonl", prepare={"tokenizer": name}, **COLUMNS)
        assert dataset.lexicon is None
        ids.append(inputs(dataset.train.x, dataset.task))
    assert np.array_equal(ids[0], ids[1])
    assert np.array_equal(ids[0], inputs(dataset.train.x, load_in(
        tmp_path, movies.language(), path="x.jsonl", **COLUMNS).task
    ))  # fmt: skip


def test_the_digest_covers_the_text_the_tokenizer_and_the_keys(tmp_path: Path) -> None:
    def now(**keys: object) -> str:
        table = {"path": "x.jsonl", "prepare": {"tokenizer": "vocab.txt"}, **COLUMNS, **keys}
        return load_dataset(DataSpec.model_validate(table), tmp_path.joinpath, tmp_path, 7).digest

    movies.write_jsonl(tmp_path / "x.jsonl")
    movies.write_vocabulary(tmp_path)
    first = now()
    (tmp_path / "again.txt").write_bytes((tmp_path / "vocab.txt").read_bytes())
    assert now(prepare={"tokenizer": "again.txt"}) == first
    changed = [now(prepare={"tokenizer": "vocab.txt", "tokens": 20})]
    (tmp_path / "vocab.txt").write_text("\n".join((*movies.pieces(), "zzz")))
    changed.append(now())
    movies.write_jsonl(tmp_path / "x.jsonl", 199)
    changed.append(now())
    assert len({first, *changed}) == 4


def test_numbers_ignore_the_language(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(60, 3))
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(60) % 2)
    dataset = load_in(tmp_path, movies.language(), path="x.npz")
    assert dataset.task.tokenizer is None
    assert dataset.lexicon is None
    assert dataset.digest == load_in(tmp_path, path="x.npz").digest


def test_training_data_carries_the_lexicon(tmp_path: Path) -> None:
    movies.write_jsonl(tmp_path / "x.jsonl")
    dataset = load_in(tmp_path, movies.language(), path="x.jsonl", **COLUMNS)
    assert dataset.lexicon is not None
    assert dataset.for_training().lexicon is dataset.lexicon
    silent = replace(movies.language(), vectors=None)
    assert load_in(tmp_path, silent, path="x.jsonl", **COLUMNS).lexicon is None
