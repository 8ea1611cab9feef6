"""The whole pipeline on sentences: a checkpoint becomes a transformer that TensorFlow Lite Micro runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import movies, small_text

from tinyc import cli
from tinyc.data.tokens import Tokenizer
from tinyc.tflite.read.flatbuffer import describe


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; its folder, with report.json and the artifacts."""
    folder = tmp_path_factory.mktemp("text")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYC_CACHE", str(folder / "cache"))
        assert cli.invoke(["compress", str(small_text.write(folder)), "--out", str(folder / "runs")]) == 0
    return folder / "runs" / "small-text"


@pytest.fixture(scope="module")
def report(finished: Path) -> Any:
    return json.loads((finished / "report.json").read_text())


@pytest.mark.slow
def test_the_report_says_what_was_measured(report: Any) -> None:
    assert report["met"] is True
    uses = [step["pass"] for step in report["steps"]]
    assert uses == ["trim_vocabulary", "distill", "prune", "quantize", "export", "verify"]
    assert report["final"]["runtime"] == "tflm"
    assert report["final"]["arena_bytes"] > 0
    trimmed, _, _, quantized, exported, verified = (step["facts"] for step in report["steps"])
    assert trimmed["pieces_after"] <= 250 < trimmed["pieces_before"]
    assert quantized["float_tensors"] == 0
    assert exported["tables"]["vocabulary"] > 0
    assert report["final"]["flash_bytes"] >= report["final"]["file_bytes"] + exported["tables"]["vocabulary"]
    assert verified["agreed"] is True
    assert verified["differences"][0]["examples"] == 0


@pytest.mark.slow
def test_the_artifact_takes_the_ids_of_the_trimmed_tokenizer(finished: Path) -> None:
    described = describe((finished / "model.tflite").read_bytes())
    assert (described.inputs[0].dtype, described.inputs[0].shape) == ("int32", (1, 24))
    tokenizer = Tokenizer((finished / "tokenizer.json").read_text(encoding="utf-8"), 24)
    assert len(tokenizer.vocabulary) <= 250
    tables = [tensor.shape[0] for tensor in described.tensors if tensor.stored_bytes and len(tensor.shape) == 2]
    assert len(tokenizer.vocabulary) in tables
    assert np.max(tokenizer.encode(movies.sentences())) < len(tokenizer.vocabulary)


@pytest.mark.slow
def test_a_sentence_is_answered_by_the_artifact(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["predict", str(finished / "model.tflite"), "A funny film.", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said["probabilities"]) == {"negative", "positive"}
    assert sum(said["probabilities"].values()) == pytest.approx(1, abs=0.02)


@pytest.mark.slow
def test_nothing_is_done_twice_and_the_bytes_are_the_same(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = finished.parents[1]
    before = (finished / "model.tflite").read_bytes()
    monkeypatch.setenv("TINYC_CACHE", str(folder / "cache"))
    recipe = str(folder / "small-text.toml")
    assert cli.invoke(["compress", recipe, "--out", str(folder / "runs")]) == 0
    assert all(step["cached"] for step in json.loads((finished / "report.json").read_text())["steps"])
    assert cli.invoke(["compress", recipe, "--out", str(folder / "runs"), "--from", "distill"]) == 0
    assert (finished / "model.tflite").read_bytes() == before


@pytest.mark.slow
def test_plan_predicts_the_artifact(
    finished: Path, report: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished.parents[1]
    monkeypatch.setenv("TINYC_CACHE", str(folder / "cache"))
    assert cli.invoke(["plan", str(folder / "small-text.toml"), "--json"]) == 0
    last = json.loads(capsys.readouterr().out)["lower"]["states"][-1]
    assert last["file"] == pytest.approx(report["final"]["file_bytes"], rel=0.05)
    assert last["arena"] == pytest.approx(report["final"]["arena_bytes"], rel=0.10)
