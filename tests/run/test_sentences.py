"""`tinyc predict` and `tinyc verify` on an artifact for sentences, with its tokenizer beside it."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import example, movies, shipped

from tinyc import cli
from tinyc.data import tokens
from tinyc.data.tokens import Tokenizer
from tinyc.network import backend
from tinyc.quantization.convert import to_int8_tflite
from tinyc.report.views import Views
from tinyc.report.write import to_json
from tinyc.run.commands.verify import random_inputs
from tinyc.tflite.read.flatbuffer import describe

TOKENS = 24
Shown = pytest.CaptureFixture[str]


def tokenizer() -> Tokenizer:
    return Tokenizer(movies.definition(), TOKENS)


@functools.cache
def artifact() -> tuple[bytes, Any]:
    """A small transformer with large random logits as int8, and its Keras network."""
    backend.seed_everything(3)
    model = shipped.bert().tiny_bert((TOKENS,), 2, len(movies.pieces()), 16, depth=1, inner=32)
    model.get_layer("tokens").set_weights([np.random.default_rng(1).normal(size=(len(movies.pieces()), 16))])
    model.get_layer("logits").set_weights([np.random.default_rng(2).normal(size=(16, 2)), np.zeros(2)])
    return to_int8_tflite(model, tokenizer().encode(movies.sentences(64)), per_channel_dense=False), model


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "model.tflite").write_bytes(artifact()[0])
    (tmp_path / "report.json").write_text(to_json(example.REPORT, Views(classes=("bad", "good"))), encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text(movies.definition(), encoding="utf-8")
    return tmp_path


def out(capsys: Shown, *arguments: str, code: int = 0) -> str:
    assert cli.invoke(list(arguments)) == code
    return capsys.readouterr().out


def refused(capsys: Shown, *arguments: str) -> str:
    assert cli.invoke(list(arguments)) == 2
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return shown.err


def shares(texts: list[str]) -> NDArray[Any]:
    logits = artifact()[1].predict_on_batch(tokenizer().encode(texts))
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def test_a_sentence_is_predicted_as_the_network_does(run: Path, capsys: Shown) -> None:
    for text in ("A clever and moving film // with a heart.", "Too long.", movies.sentences()[0] * 5):
        found = json.loads(out(capsys, "predict", str(run / "model.tflite"), text, "--json"))
        expected = shares([text])[0]
        assert found["probabilities"]["bad"] == pytest.approx(expected[0], abs=0.1)
    assert "%  bad" in out(capsys, "predict", str(run / "model.tflite"), "Too long.")


def test_a_file_gives_one_prediction_a_line(run: Path, capsys: Shown) -> None:
    texts = movies.sentences(9)
    (run / "some.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    file = str(run / "model.tflite")
    found = json.loads(out(capsys, "predict", file, str(run / "some.txt"), "--json"))
    assert [each["text"] for each in found] == texts
    alone = [json.loads(out(capsys, "predict", file, text, "--json")) for text in texts]
    assert [each["probabilities"] for each in found] == [each["probabilities"] for each in alone]
    lines = out(capsys, "predict", file, str(run / "some.txt")).splitlines()
    assert len(lines) == 9
    assert all(line.endswith(text) for line, text in zip(lines, texts, strict=True))
    assert len({each["prediction"] for each in found}) == 2


def test_a_cut_is_said(run: Path, capsys: Shown) -> None:
    assert cli.invoke(["predict", str(run / "model.tflite"), "good " * 30]) == 0
    assert f"cut from 32 to {TOKENS} tokens: good good" in capsys.readouterr().err
    assert cli.invoke(["predict", str(run / "model.tflite"), "good " * 20]) == 0
    assert "cut" not in capsys.readouterr().err


def test_ids_are_taken_as_they_are(run: Path, capsys: Shown) -> None:
    np.save(run / "ids.npy", tokenizer().encode(["Too long."])[0])
    file = str(run / "model.tflite")
    by_ids = out(capsys, "predict", file, str(run / "ids.npy"), "--json")
    assert json.loads(by_ids) == json.loads(out(capsys, "predict", file, "Too long.", "--json"))
    (run / "tokenizer.json").unlink()
    assert out(capsys, "predict", file, str(run / "ids.npy"), "--json") == by_ids


@pytest.mark.parametrize("bad", [10**6, -1, 1.5, 1e20])
def test_ids_without_a_vector_are_refused(run: Path, capsys: Shown, bad: float) -> None:
    np.save(run / "ids.npy", np.full(TOKENS, bad))
    said = refused(capsys, "predict", str(run / "model.tflite"), str(run / "ids.npy"))
    assert f"holds something else than token ids from 0 to {len(movies.pieces()) - 1}" in said


def test_the_tokenizer_of_another_network_is_refused(run: Path, capsys: Shown) -> None:
    other = tokens.from_vocabulary([*movies.pieces(), "zzz"], True, "")
    (run / "tokenizer.json").write_text(other, encoding="utf-8")
    for command in (("predict",), ("verify", "--data", "movie-sentiment")):
        said = refused(capsys, command[0], str(run / "model.tflite"), *(command[1:] or ("Fine.",)))
        assert (
            f"has {len(movies.pieces()) + 1} pieces, and the table of the artifact {len(movies.pieces())} rows" in said
        )


def test_a_scale_is_refused_for_sentences(run: Path, capsys: Shown) -> None:
    said = refused(capsys, "predict", str(run / "model.tflite"), "Fine.", "--scale", "2")
    assert "--scale and --offset: are for numbers" in said


def test_bad_sentences_are_refused(run: Path, capsys: Shown) -> None:
    file = str(run / "model.tflite")
    assert "the sentence: is empty" in refused(capsys, "predict", file, "  ")
    assert "gone.txt: there is no such file" in refused(capsys, "predict", file, "gone.txt")
    (run / "bad.txt").write_bytes(b"Fine\nCaf\xe9\n")
    assert "bad.txt:2: is not UTF-8" in refused(capsys, "predict", file, str(run / "bad.txt"))
    (run / "bad.txt").write_bytes(b"Fine\n\nFine\n")
    assert "bad.txt:2: is empty" in refused(capsys, "predict", file, str(run / "bad.txt"))
    assert "is not UTF-8" in refused(capsys, "predict", file, "Caf\udce9")
    (run / "tokenizer.json").write_text("{}")
    assert "tokenizer.json: is not a tokenizer" in refused(capsys, "predict", file, "Fine")
    (run / "tokenizer.json").unlink()
    assert "no tokenizer.json lies beside it" in refused(capsys, "predict", file, "Too long.")


def test_random_ids_are_those_of_the_table() -> None:
    described = describe(artifact()[0])
    ids = random_inputs(described, 500)
    assert ids.dtype == np.int32
    assert ids.shape == (500, TOKENS)
    assert (ids.min(), ids.max()) == (0, len(movies.pieces()) - 1)
    assert np.array_equal(ids, random_inputs(described, 500))


def test_verify_on_random_ids(run: Path, capsys: Shown) -> None:
    found = json.loads(out(capsys, "verify", str(run / "model.tflite"), "--examples", "8", "--json"))
    assert found["examples"] == 8


@pytest.mark.slow
def test_verify_on_the_movie_sentences(run: Path, capsys: Shown) -> None:
    found = json.loads(out(capsys, "verify", str(run / "model.tflite"), "--data", "movie-sentiment", "--json"))
    assert found["examples"] == 2000
    texts, labels = zip(*[(text, label) for part, label, text in movies.rows(20_000) if part == "test"], strict=True)
    right = shares(list(texts)).argmax(1) == (np.array(labels) == "positive")
    assert found["runtimes"]["tflm"]["accuracy"] == pytest.approx(right.mean(), abs=0.03)


def test_verify_refuses_data_that_does_not_fit(run: Path, capsys: Shown) -> None:
    file = str(run / "model.tflite")
    assert "is not known to be text" in refused(capsys, "verify", file, "--data", "fashion-mnist")
    (run / "tokenizer.json").unlink()
    assert "movie-sentiment is text" in refused(capsys, "verify", file, "--data", "movie-sentiment")
    (run / "x.csv").write_text("a,b\n1,2\n")
    assert "say which column holds the label" in refused(capsys, "verify", file, "--data", str(run / "x.csv"))
