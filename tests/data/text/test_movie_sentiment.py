"""The embedded movie-review sentences: their size, their split, their licence, and how they are made."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import movies

from tinyc.data.known_datasets import EMBEDDED
from tinyc.data.loading import load_dataset
from tinyc.spec.data import DataSpec

HASH = "c583b2f472cc505a3dc9658881fc78ca217480fd051450c7559ed0501566077d"


def test_the_embedded_file() -> None:
    path = EMBEDDED / "movie-sentiment.tsv"
    assert path.stat().st_size < 2_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == HASH
    licence = (EMBEDDED / "movie-sentiment.LICENSE").read_text()
    assert "The MIT License" in licence
    assert "C.J. Hutto" in licence


def test_two_thousand_sentences_test_whatever_the_seed(tmp_path: Path) -> None:
    found = [
        load_dataset(DataSpec(name="movie-sentiment"), tmp_path.joinpath, tmp_path, seed, movies.language())
        for seed in (1, 2)
    ]
    for dataset in found:
        assert dataset.task.classes == ("negative", "positive")
        assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [7566, 1000, 2000]
        assert np.bincount(dataset.test.y).tolist() == [1008, 992]
        assert dataset.test.x.tolist() == found[0].test.x.tolist()
        keys = [" ".join(re.findall(r"\w+", text.casefold())) for text in (*dataset.train.x, *dataset.test.x)]
        assert len(set(keys)) == len(keys)
    assert found[0].validation.x.tolist() != found[1].validation.x.tolist()
    verdicts = dict(zip(found[0].test.x, found[0].test.y, strict=True))
    assert (
        verdicts["A loud, ugly, irritating movie without any of its satirical salvos hitting a discernible target."]
        == 0
    )


def script() -> Any:
    path = Path(__file__).parents[3] / "benchmarks" / "embed_movie_sentiment.py"
    spec = importlib.util.spec_from_file_location("embed_movie_sentiment", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def packed(*files: tuple[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def test_embedding_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embed = script()
    monkeypatch.setattr(embed, "TEST", 40)
    signs = {"positive": 1.5, "negative": -0.5}
    rated = [f"{index}\t{signs[label]}\t{text}" for index, (_, label, text) in enumerate(movies.rows())]
    rated += ["900\t0.0\tNeither here nor there.", f"901\t-3\t{movies.sentences()[0].upper()} ..."]
    inner = packed(("hutto_ICWSM_2014/" + embed.SENTENCES, "\r\n".join(rated).encode()))
    archive = tmp_path / "source.tar.gz"
    archive.write_bytes(packed(("v/LICENSE.txt", b"The MIT License\r\n"), (f"v/{embed.INNER}", inner)))
    (tmp_path / "again").mkdir()
    made = embed.embed(archive, tmp_path / "x.tsv"), embed.embed(archive, tmp_path / "again" / "x.tsv")
    assert made[0] == made[1]
    assert (tmp_path / "x.LICENSE").read_bytes().endswith(b"The MIT License\n")
    rows = [line.split("\t") for line in (tmp_path / "x.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert [row[1:] for row in rows] == [[label, text] for _, label, text in movies.rows()]
    tested = [row[1] for row in rows if row[0] == "test"]
    assert len(tested) == 40
    share = sum(row[1] == "negative" for row in rows) / len(rows)
    assert tested.count("negative") == round(40 * share)
