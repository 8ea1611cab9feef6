"""What a plan weighs where not all can be measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support import artifacts

from tinyc.data.task import Stream, Task
from tinyc.run.commands.plan import rewritten as shown_rewrite
from tinyc.run.commands.plan import text as shown_plan
from tinyc.run.commands.plan import to_json
from tinyc.run.plan import Plan, Rehearsal, Weighed, predict, rewritten, weigh
from tinyc.spec.bounds import Bound
from tinyc.tflite.run import runtimes


def test_without_tflm_the_arena_stays_open_and_the_rest_is_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "package", lambda runtime: None if runtime == "tflm" else "tflite_runtime")
    flat = artifacts.flat()
    split = SimpleNamespace(x=artifacts.images()[0][:1])
    dataset = SimpleNamespace(calibration=split, task=flat.task)
    bench: Any = SimpleNamespace(pool=None, dataset=dataset, recipe=SimpleNamespace(device=None))
    figures = weigh("quantize", flat, bench).figures
    assert figures["arena"] is None
    assert figures["file"] == len(flat.content)


def test_rewritten_layers_are_shown_by_kind() -> None:
    facts = {
        "rewritten": [
            {"layer": "a", "what": "gelu", "into": "Gelu", "difference": 1e-3},
            {"layer": "words", "what": "Embedding", "into": "TokenEmbedding", "difference": None},
            {"layer": "b", "what": "gelu", "into": "Gelu", "difference": 1e-3},
        ]
    }
    assert [shown_rewrite(each) for each in rewritten("quantize", facts)] == [
        "quantize rewrites gelu to Gelu in 2 layers: a, b; untrained outputs change by at most 0.001",
        "quantize rewrites Embedding to TokenEmbedding in 1 layers: words",
    ]
    assert not list(rewritten("quantize", {}))


def test_macs_that_nobody_counted_meet_no_target_and_are_named() -> None:
    known = {"params": 100, "macs": 80, "file": 400, "flash": None, "arena": None}
    unknown = Weighed("source", {**known, "macs": None}, ("RFFT2D", "WHILE"))
    rehearsal = Rehearsal((unknown, Weighed("quantize", known)), {}, (), {}, ())
    task = Task(("a", "b"), (128, 1, 6))
    assert predict(Bound.parse("macs", "<= 100"), rehearsal, rehearsal, task).met
    check = predict(Bound.parse("macs_reduction", ">= 1 %"), rehearsal, rehearsal, task)
    assert (check.met, check.got) == (False, None)
    assert check.why == "not measured: no count of the multiplications of RFFT2D, WHILE"
    assert predict(Bound.parse("params_reduction", ">= 0 %"), rehearsal, rehearsal, task).met
    lines = shown_plan(Plan(rehearsal, rehearsal, (check,)))
    assert lines[1].split()[:3] == ["source", "100", "-"]
    assert "source: no count of the multiplications of RFFT2D, WHILE" in lines
    states = to_json(Plan(rehearsal, rehearsal, (check,)))["lower"]["states"]
    assert (states[0]["macs"], states[0]["uncounted"], states[1]["uncounted"]) == (None, ["RFFT2D", "WHILE"], [])


@pytest.mark.parametrize(("stream", "met", "got"), [(Stream(600.0, 1.0), True, 1 - 1 / 600), (None, False, None)])
def test_the_bytes_that_leave_the_device_are_known_before_any_training(
    stream: Stream | None, met: bool, got: float | None
) -> None:
    rehearsal = Rehearsal((Weighed("source", {}), Weighed("quantize", {})), {}, (), {}, ())
    task = Task(("a", "b"), (128, 1, 6), stream=stream)
    check = predict(Bound.parse("bandwidth_reduction", ">= 99 %"), rehearsal, rehearsal, task)
    assert check.met is met
    assert check.got == (None if got is None else pytest.approx(got))
