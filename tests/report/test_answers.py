"""`tinyc predict` shows percentages of a distribution over labels alone; everything else is numbers, as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import example, stateful

from tinyc import cli
from tinyc.report.views import Views
from tinyc.report.write import to_json

Shown = pytest.CaptureFixture[str]


def asked(folder: Path, content: bytes, x: Any, classes: tuple[str, ...] = ()) -> list[str]:
    """Write an artifact with the labels of its run, where it has some, and an example; give the command."""
    (folder / "model.tflite").write_bytes(content)
    np.save(folder / "x.npy", np.asarray(x, np.float32))
    if classes:
        (folder / "report.json").write_text(to_json(example.REPORT, Views(classes=classes)), encoding="utf-8")
    return ["predict", str(folder / "model.tflite"), str(folder / "x.npy")]


def both(command: list[str], capsys: Shown) -> tuple[str, Any]:
    """What is shown, and its JSON."""
    assert cli.invoke(command) == 0
    text = capsys.readouterr().out
    assert cli.invoke([*command, "--json"]) == 0
    return text, json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def softmax(x: Any) -> Any:
    powers = np.exp(np.asarray(x, float))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize("classes", [(), ("no", "yes"), ("only",)])
@pytest.mark.parametrize(("operator", "value"), [("LOGISTIC", 0.8807971), ("NEG", -2.0)])
def test_one_output_is_a_number(
    tmp_path: Path, capsys: Shown, operator: str, value: float, classes: tuple[str, ...]
) -> None:
    text, found = both(asked(tmp_path, stateful.unary(operator, (1,)), [2.0], classes), capsys)
    assert "%" not in text
    assert text.split()[0] == f"{value:.4g}"
    assert found["values"] == [pytest.approx(value)]
    assert found["shape"] == [1]


def test_several_yes_and_no_are_no_shares_of_one_whole(tmp_path: Path, capsys: Shown) -> None:
    content = stateful.unary("LOGISTIC", (3,))
    text, found = both(asked(tmp_path, content, [1.0, 3.0, -1.0], ("cat", "dog", "cow")), capsys)
    assert "%" not in text
    assert [line.split() for line in text.splitlines()[:3]] == [["0.9526", "dog"], ["0.7311", "cat"], ["0.2689", "cow"]]
    assert found["labels"] == ["cat", "dog", "cow"]
    assert found["values"] == pytest.approx([0.7310586, 0.9525741, 0.2689414])


def test_a_distribution_at_each_place_is_none_of_the_example(tmp_path: Path, capsys: Shown) -> None:
    x = np.random.default_rng(0).normal(size=(8, 8, 2))
    x[3, 5, 1] = 9
    text, found = both(asked(tmp_path, stateful.unary("SOFTMAX", (8, 8, 2)), x, ("lung", "other")), capsys)
    assert "%" not in text
    assert "class" not in text
    assert "8x8x2 numbers" in text
    assert f"to {softmax(x)[3, 5, 1]:.4g} at [3, 5, 1]" in text
    assert len(text.split("\n")[0].split()) == 11
    assert found["shape"] == [8, 8, 2]
    assert np.allclose(found["values"], softmax(x), atol=1e-5)


@pytest.mark.parametrize("classes", [(), ("a", "b", "c")])
def test_a_row_without_labels_of_its_own_is_numbers(tmp_path: Path, capsys: Shown, classes: tuple[str, ...]) -> None:
    """A reconstruction, an embedding, coordinates: nothing says that one of them is meant."""
    x = np.arange(24, dtype=float) - 7
    text, found = both(asked(tmp_path, stateful.unary("NEG", (24,)), x, classes), capsys)
    assert "%" not in text
    assert "24 numbers, from -16 at [23] to 7 at [0]" in text
    assert ("24 outputs and 3 labels" in text) is bool(classes)
    assert found["values"] == (-x).tolist()


def test_logits_of_a_run_are_shares_of_its_labels(tmp_path: Path, capsys: Shown) -> None:
    classes = ("cat", "dog", "cow")
    text, found = both(asked(tmp_path, stateful.unary("NEG", (3,)), [1.0, -2.0, 0.5], classes), capsys)
    shares = softmax([-1.0, 2.0, -0.5])
    assert text.split() == [f"{shares[1]:.2%}", "dog", f"{shares[2]:.2%}", "cow", f"{shares[0]:.2%}", "cat"]
    assert found["prediction"] == "dog"
    assert found["probabilities"] == pytest.approx(dict(zip(classes, shares, strict=True)))


def test_a_softmax_of_a_file_alone_is_shares_of_unnamed_classes(tmp_path: Path, capsys: Shown) -> None:
    text, found = both(asked(tmp_path, stateful.unary("SOFTMAX", (1, 1, 3)), [[[1.0, 2.0, 0.5]]]), capsys)
    shares = softmax([1.0, 2.0, 0.5])
    assert text.splitlines()[0].split() == [f"{shares[1]:.2%}", "class", "1"]
    assert list(found["probabilities"].values()) == pytest.approx(sorted(shares, reverse=True))


def test_rounded_probabilities_are_shown_as_they_are(tmp_path: Path, capsys: Shown) -> None:
    """Of 300 classes in steps of 1/256 most are 0, and the sum is far from 1; they are no logits for all that."""
    x = np.zeros(300)
    x[7] = 6.0
    content = stateful.unary("SOFTMAX", (300,), "INT8", 0.05)
    _, found = both(asked(tmp_path, content, x), capsys)
    shares = np.round(softmax(x) * 256) / 256
    assert abs(shares.sum() - 1) > 0.1
    assert found["prediction"] == "class 7"
    assert found["probabilities"]["class 7"] == pytest.approx(shares[7], abs=1 / 256)
    assert found["probabilities"]["class 8"] == pytest.approx(shares[8], abs=1 / 256)


def test_a_softmax_over_another_axis_is_no_distribution(tmp_path: Path, capsys: Shown) -> None:
    text, _ = both(asked(tmp_path, stateful.unary("SOFTMAX", (3, 1)), [[1.0], [2.0], [3.0]], ("a", "b", "c")), capsys)
    assert "%" not in text


def test_what_is_no_number_is_said(tmp_path: Path, capsys: Shown) -> None:
    text, found = both(asked(tmp_path, stateful.unary("LOG", (3,)), [-1.0, 1.0, -2.0], ("a", "b", "c")), capsys)
    assert "%" not in text
    assert "2 are NaN or infinite" in text
    assert found["values"] == [None, 0.0, None]
    text, found = both(asked(tmp_path, stateful.unary("LOG", (3,)), [-1.0, -1.0, -2.0]), capsys)
    assert "none is a number" in text
    assert found["least"] is None


def test_each_of_several_outputs_is_read_for_itself(tmp_path: Path, capsys: Shown) -> None:
    value = stateful.Tensor((1, 3))
    softmaxed = stateful.Operator("SOFTMAX", [0], [1], "SoftmaxOptions", {"beta": 1.0})
    graph = stateful.Graph((value, value, value), (softmaxed, stateful.Operator("NEG", [0], [2])), [0], [2, 1])
    text, found = both(asked(tmp_path, stateful.file_of(graph), [1.0, 2.0, 0.5]), capsys)
    assert text.startswith("output 0\n-1 -2 -0.5\n")
    assert "output 1\n 62.85%  class 1\n" in text
    assert found["outputs"][0]["values"] == [-1, -2, -0.5]
    assert found["outputs"][1]["prediction"] == "class 1"
