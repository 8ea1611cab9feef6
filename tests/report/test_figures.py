"""How figures, facts and axes are spelled, and which examples a page shows."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

import numpy as np
import pytest
from PIL import Image
from support import example

from tinyc.core.units import Bytes, Decibels, Fraction, Points, Rate, Seconds, Unit
from tinyc.report import chart, facts, figures, samples, tables
from tinyc.spec.bounds import Measured
from tinyc.tasks.classification.metrics import softmax


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0119, "pp", "+1.19 pp"),
        (-0.0119, "pp", "-1.19 pp"),
        (-0.00001, "pp", "0.00 pp"),
        (None, "pp", "-"),
        (-2048.0, "bytes", "-2.0 KiB"),
        (0.0, "count", "0"),
    ],
)
def test_signed(value: float | None, unit: Unit, text: str) -> None:
    assert figures.signed(value, unit) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (100, 25, "4x smaller"),
        (94_301_664, 79_024, "1,193x smaller"),
        (25, 100, "4x larger"),
        (7, 7, "unchanged"),
        (1000, 999, "under 1 % smaller"),
        (None, 7, ""),
        (7, None, ""),
        (0, 7, ""),
    ],
)
def test_factor(before: float | None, after: float | None, text: str) -> None:
    assert figures.factor(before, after) == text


def test_gain_turns_the_interval_round() -> None:
    assert figures.gain(Measured(0.01, -0.02, 0.04)) == Measured(-0.01, -0.04, 0.02)
    assert figures.gain(Measured(None)) is None


def test_verdicts() -> None:
    good = tuple(check for check in example.TARGETS if check.met)
    calm = tuple(replace(step, checks=()) for step in example.STEPS)
    base = replace(example.REPORT, targets=good, steps=calm, met=True)
    assert figures.verdict(base) == "all targets met"
    assert figures.verdict(replace(base, targets=())) == "no targets set"
    assert figures.verdict(replace(base, met=False)) == "verify found a difference between the runtimes"
    assert figures.verdict(replace(base, targets=example.TARGETS, met=False)) == "target missed: arena, flash"


Row = TypedDict("Row", {"a": float, "b": str})
Layer = TypedDict("Layer", {"bits": int, "bytes": Bytes})
Deep = TypedDict("Deep", {"held": Bytes, "shares": dict[str, Fraction]})
Told = TypedDict("Told", {
    "held": Bytes, "took": Seconds, "right": NotRequired[Fraction | None], "noise": Decibels, "flow": Rate | None,
    "lost": list[Points], "deep": Deep, "made": str | Deep, "rows": list[Row], "layers": dict[str, Layer],
    "shares": dict[str, Fraction], "soft_labels_bytes": int, "seconds": float, "accuracy": float,
})  # fmt: skip


def single(found: facts.Facts) -> dict[str, str]:
    return {row[0]: row[1] for row in found.single.rows}


def test_facts_are_spelled_by_their_declared_units() -> None:
    found = facts.spelled({
        "held": 2048, "took": 75, "right": 0.5, "noise": 12.34, "flow": 32000, "lost": [0.01, -0.02],
        "deep": {"held": 3072, "shares": {"stem": 0.25}}, "made": {"held": 1, "shares": {}},
    }, Told)  # fmt: skip
    assert single(found) == {
        "held": "2.0 KiB", "took": "1 min 15 s", "right": "50.00 %", "noise": "12.3 dB", "flow": "31.2 KiB/s",
        "lost": "1.00 pp, -2.00 pp", "deep.held": "3.0 KiB", "deep.shares.stem": "25.00 %", "made.held": "1 B",
        "made.shares": "none",
    }  # fmt: skip


@pytest.mark.parametrize("kind", [None, dict, Told, (dict, Told)])
def test_no_name_of_a_key_makes_a_unit(kind: Any) -> None:
    named = {"soft_labels_bytes": 2048, "seconds": 75, "accuracy": 0.5, "agreed": True, "none": None}
    assert facts.spelled(named, kind).single.rows == (
        ("soft_labels_bytes", "2,048"), ("seconds", "75"), ("accuracy", "0.5"), ("agreed", "yes"), ("none", "-"),
    )  # fmt: skip


def test_facts_of_any_shape_are_spelled() -> None:
    found = facts.spelled({
        "deep": {"er": {"n": 1234567}}, "list": list(range(20)), "rows": [{"a": 1}, {"a": 2.5, "b": "x"}], "empty": {},
        "classes": dict.fromkeys("abcdefg", 4),
    })  # fmt: skip
    assert single(found) == {
        "deep.er.n": "1,234,567", "empty": "none",
        "list": "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (20 values, all in report.json)",
    }  # fmt: skip
    (name, cells), (other, classes) = found.tables
    assert (name, cells.header, cells.rows) == ("rows", ("a", "b"), (("1", "-"), ("2.5", "x")))
    assert (other, classes.header, classes.rows) == (
        "classes",
        ("of", "classes"),
        tuple((each, "4") for each in "abcdefg"),
    )


def test_facts_of_the_same_kind_by_name_are_a_table() -> None:
    found = facts.spelled({
        "layers": {"stem": {"bits": 4, "bytes": 2048}, "logits": {"bits": 7, "bytes": 1}}, "one": {"a": {"bits": 4}},
        "unlike": {"a": {"bits": 4}, "b": {"loss": 0.5}}, "shares": dict.fromkeys("abcdefg", 0.5),
    }, Told)  # fmt: skip
    assert found.tables == (
        ("layers", tables.Cells(("of", "bits", "bytes"), (("stem", "4", "2.0 KiB"), ("logits", "7", "1 B")),
                               frozenset({1, 2}))),
        ("shares", tables.Cells(("of", "shares"), tuple((each, "50.00 %") for each in "abcdefg"), frozenset({1}))),
    )  # fmt: skip
    assert single(found) == {"one.a.bits": "4", "unlike.a.bits": "4", "unlike.b.loss": "0.5"}


def test_the_axes_hold_every_figure() -> None:
    size, accuracy = chart.size(example.REPORT), chart.accuracy(example.REPORT, example.VIEWS)
    assert size is not None
    assert accuracy is not None
    assert [tick.text for tick in size.ticks] == ["100 KiB", "1 MiB", "10 MiB"]
    kept = [bar.kept or 0.0 for bar in size.bars]
    assert kept == sorted(kept, reverse=True)
    assert [bar.before for bar in size.bars[1:]] == kept[:-1]
    assert [tick.text for tick in accuracy.ticks] == ["86 %", "87 %", "88 %", "89 %"]
    assert accuracy.dots[0].at == accuracy.source
    assert not size.grew


def test_sizes_within_a_decade_have_ticks_too() -> None:
    step = replace(example.STEPS[0], after=replace(example.SOURCE, file_bytes=60_000_000, gzip_bytes=50_000_000))
    size = chart.size(replace(example.REPORT, steps=(step,)))
    assert size is not None
    assert len(size.ticks) >= 2
    assert all(0 <= tick.at <= 100 for tick in size.ticks)


def test_a_file_that_grew_is_said_to() -> None:
    back = replace(example.STEPS[4], after=example.DISTILLED)
    size = chart.size(replace(example.REPORT, steps=(*example.STEPS[:4], back)))
    assert size is not None
    assert size.grew
    assert size.bars[-1].note == "4.06x larger"


def test_confusion_counts_rows_by_truth() -> None:
    labels, predicted = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 0])
    assert samples.confusion(labels, predicted, 3) == ((1, 1, 0), (0, 1, 0), (1, 0, 1))


def test_samples_share_the_room_among_four_kinds() -> None:
    labels = np.arange(40) % 4
    source, final = np.eye(4)[labels], np.eye(4)[labels]
    source[30:] = np.roll(source[30:], 1, axis=1)
    final[25:35] = np.roll(final[25:35], 1, axis=1)
    found = samples.samples(np.zeros((40, 8, 8), np.uint8), labels, source, final, 16)
    kinds = [(sample.source == sample.label, sample.final == sample.label) for sample in found]
    assert [kinds.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))] == [4] * 4
    assert [sample.index for sample in found[:4]] == [0, 1, 2, 3]
    few = samples.samples(np.zeros((40, 8, 8), np.uint8), labels, np.eye(4)[labels], np.eye(4)[labels], 6)
    assert [sample.index for sample in few] == [0, 1, 2, 3, 4, 5][:6]


def test_probabilities_do_not_overflow() -> None:
    found = softmax(np.array([[1000.0, 0.0], [0.0, 0.0]]))
    assert found.tolist() == [[1.0, 0.0], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("shape", "dtype", "size", "mode"),
    [
        ((28, 28), "uint8", (28, 28), "L"),
        ((28, 20, 1), "uint8", (20, 28), "L"),
        ((32, 32, 3), "float32", (32, 32), "RGB"),
        ((128, 256, 3), "uint8", (64, 32), "RGB"),
    ],
)
def test_pictures(shape: tuple[int, ...], dtype: str, size: tuple[int, int], mode: str) -> None:
    values = np.random.default_rng(1).integers(0, 255, shape).astype(dtype)
    uri = samples.picture(values)
    assert uri is not None
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert (image.size, image.mode) == (size, mode)


def test_a_picture_keeps_its_pixels() -> None:
    values: Any = np.arange(64, dtype=np.uint8).reshape(8, 8)
    uri = samples.picture(values) or ""
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert np.array_equal(np.asarray(image), values)


@pytest.mark.parametrize("shape", [(16,), (128, 3), (2, 2), (8, 8, 5)])
def test_what_is_no_picture_has_none(shape: tuple[int, ...]) -> None:
    assert samples.picture(np.zeros(shape, np.float32)) is None


def test_samples_of_sentences_carry_their_text() -> None:
    texts = np.array(["Never dull.", "Too long.", "word " * 200], object)
    odds = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    found = samples.samples(texts, np.array([0, 1, 0]), odds, odds)
    assert [each.image for each in found] == [None] * 3
    said = {each.index: each.text or "" for each in found}
    assert said[0] == "Never dull."
    assert len(said[2]) <= samples.TEXT_LENGTH
    assert said[2].endswith("wo...")
    assert samples.samples(np.zeros((2, 8, 8), np.uint8), np.array([0, 1]), np.eye(2), np.eye(2))[0].text is None


def test_no_cell_of_the_ledger_is_wider_than_a_figure() -> None:
    """Eight states and more stand beside each other on a page of 1200 pixels."""
    cells = tables.ledgers(example.REPORT)
    assert max(len(text) for row in cells.rows for text in row[1:]) <= len("tflite-runtime")


def test_steps_of_several_kinds_are_no_table() -> None:
    steps = [
        {"op": "denoise", "taps": [0.5, 0.5], "cutoff": 15.0, "rate": 50.0},
        {"op": "normalize", "mean": [1.0], "std": [2.0]},
    ]
    found = facts.spelled(
        {"steps": steps, "rounds": [{"round": 1, "loss": 0.5}, {"round": 2, "loss": 0.4, "epsilon": 3.0}]}
    )
    assert ("steps.1.op", "denoise") in found.single.rows
    assert ("steps.2.std", "2") in found.single.rows
    assert [name for name, _ in found.tables] == ["rounds"]


def test_each_sentence_has_its_own_line() -> None:
    long = "epsilon covers this training alone, and nothing that the passes before it have learnt"
    found = facts.spelled({"conditions": [long, "short"], "layers": ["a", "b"]})
    assert ("conditions.1", long) in found.single.rows
    assert ("conditions.2", "short") in found.single.rows
    assert ("layers", "a, b") in found.single.rows
