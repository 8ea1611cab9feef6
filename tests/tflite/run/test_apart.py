"""Outputs that are not a finite numbers: the same in the same place agrees, anything else is said as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import stateful
from support.optional import not_none

from tinyc import cli, measure
from tinyc.tflite.run.output_difference import differing, identical, steps_apart, unlike
from tinyc.tflite.run.pool import Pool, Run

NAN, INF = np.nan, np.inf


def floats(*values: float) -> Any:
    return np.array([values], np.float32)


def test_what_is_no_number_is_like_itself_alone() -> None:
    one = floats(1, NAN, INF, -INF, NAN, INF)
    other = floats(2, NAN, INF, -INF, 1, -INF)
    assert unlike(one, other).tolist() == [[False, False, False, False, True, True]]
    assert (steps_apart(one, other) // 100).tolist() == [[499, 0, 0, 0, 0, 0]]
    assert identical(one, one)
    assert not identical(one, other)
    assert differing(np.concatenate([one, one]), np.concatenate([one, other])) == 1
    assert not unlike(np.array([-128], np.int8), np.array([127], np.int8)).any()


def test_no_difference_is_too_large_to_be_seen() -> None:
    """Against nothing but zeros a step is no small number."""
    assert steps_apart(floats(3e38, 0), floats(0, 0)).min() == 0
    assert steps_apart(floats(3e38, 0), floats(0, 0)).max() >= 99_999


@pytest.mark.parametrize("operator", ["LOG", "SQRT", "RSQRT"])
def test_the_same_nan_everywhere_agrees_and_is_said(pool: Pool, operator: str) -> None:
    content = stateful.unary(operator)
    x = np.random.default_rng(2).normal(size=(20, stateful.WIDTH)).astype(np.float32)
    bad = int((x < 0).any(axis=1).sum())
    found = measure.compare(content, x, pool)
    assert found["agreed"] is True
    assert f"tflm against reference: NaN in {bad} examples under tflm, in {bad} under reference" in found["notes"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    ("value", "kind", "places"), [(NAN, "NaN", [2, 5, 6]), (INF, "infinity", [4]), (-INF, "infinity", [0, 19])]
)
@pytest.mark.parametrize("wrong", ["tflm", "reference"])
def test_a_nan_under_one_runtime_is_a_difference(
    pool: Pool, value: float, kind: str, places: list[int], wrong: str
) -> None:
    class Broken:
        """A pool of which one runtime gives no numbers in some examples."""

        def run(self, content: bytes, inputs: Any, runtime: Any, *rest: Any) -> Run:
            run = pool.run(content, inputs, runtime, *rest)
            raw = run.raw.copy()
            if runtime == wrong and len(raw) == 20:
                raw[places, 1] = value
            return replace(run, raw=raw)

    broken: Any = Broken()
    found = measure.compare(stateful.unary("TANH"), np.ones((20, stateful.WIDTH), np.float32), broken)
    assert found["agreed"] is False
    count = {"tflm": 0, "reference": 0, wrong: len(places)}
    assert f"{kind} in {count['tflm']} examples under tflm, in {count['reference']} under reference" in not_none(
        found["why"]
    )
    pair = found["differences"][0]
    assert not_none(pair["no_numbers"])["examples"] == pair["examples"] == len(places)
    assert pair["first_example"] == places[0]


def test_nan_in_other_places_is_a_difference(pool: Pool) -> None:
    class Moved:
        """A pool whose TFLM gives its NaN one place further."""

        def run(self, content: bytes, inputs: Any, runtime: Any, *rest: Any) -> Run:
            run = pool.run(content, inputs, runtime, *rest)
            return replace(run, raw=np.roll(run.raw, 1, axis=1)) if runtime == "tflm" else run

    x = np.tile(floats(-1, 1, 1), (20, 1))
    moved: Any = Moved()
    found = measure.compare(stateful.unary("LOG"), x, moved)
    assert found["agreed"] is False
    assert "NaN in 20 examples under tflm, in 20 under reference, in other places" in not_none(found["why"])


@pytest.mark.parametrize(("shape", "moved"), [((4,), 20), ((1, 4), 20), ((1,), None), ((2, 2), None)])
def test_only_a_row_of_scores_changes_its_class(pool: Pool, shape: tuple[int, ...], moved: int | None) -> None:
    class Turned:
        """A pool whose TFLM has the sign wrong."""

        def run(self, content: bytes, inputs: Any, runtime: Any, *rest: Any) -> Run:
            run = pool.run(content, inputs, runtime, *rest)
            return replace(run, raw=-run.raw) if runtime == "tflm" else run

    x = np.random.default_rng(4).normal(size=(20, *shape)).astype(np.float32)
    turned: Any = Turned()
    assert measure.compare(stateful.unary("TANH", shape), x, turned)["differences"][0]["top1"] == moved


@pytest.mark.parametrize(("shape", "classes", "right"), [((4,), 4, True), ((4,), 5, False), ((1,), 2, False)])
def test_only_a_row_with_a_score_for_each_label_has_an_accuracy(
    pool: Pool, shape: tuple[int, ...], classes: int, right: bool
) -> None:
    x = np.random.default_rng(4).normal(size=(20, *shape)).astype(np.float32)
    labels = np.arange(20) % classes
    found = measure.compare(stateful.unary("TANH", shape), x, pool, labels=labels)
    wanted = float((x.argmax(axis=1) == labels).mean()) if right else None
    assert not_none(found["runtimes"]["tflm"])["accuracy"] == wanted
    assert any("accuracy unmeasured" in note for note in found["notes"]) is not right


def test_verify_tells_equal_bits_from_small_differences(tmp_path: Any, capsys: Any) -> None:
    """A float LSTM differs in its last bits between the kernels, and by no step."""
    (tmp_path / "log.tflite").write_bytes(stateful.unary("LOG"))
    (tmp_path / "lstm.tflite").write_bytes(stateful.lstm())
    assert cli.invoke(["verify", str(tmp_path / "log.tflite"), "--examples", "30"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("equal to the bit") == 2
    assert "NaN in" in shown
    assert cli.invoke(["verify", str(tmp_path / "lstm.tflite"), "--examples", "30", "--sequence"]) == 0
    shown = capsys.readouterr().out
    assert "equal within 1e-05 of the largest output" in shown
    assert "leaves to the next" in shown
