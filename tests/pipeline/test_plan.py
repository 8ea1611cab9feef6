"""What a plan weighs where not all can be measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import artifacts
import pytest

from tinyc.interpreters import runtimes
from tinyc.pipeline.plan import weigh


def test_without_tflm_the_arena_stays_open_and_the_rest_is_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "package", lambda runtime: None if runtime == "tflm" else "tflite_runtime")
    flat = artifacts.flat()
    split = SimpleNamespace(x=artifacts.images()[0][:1])
    bench: Any = SimpleNamespace(pool=None, dataset=SimpleNamespace(calibration=split, task=flat.task))
    figures = weigh(flat, bench)
    assert figures["arena"] is None
    assert figures["file"] == len(flat.content)
