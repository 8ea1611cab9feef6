"""The contract that every registered pass keeps: its input untouched, its declared kind given, same seed same bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import artifacts, lessons, shipped, texts, waves

from tinyc.network.contract import Context
from tinyc.network.state import Flat, Net
from tinyc.spec.facts import fits, inside
from tinyc.spec.passes import PASSES, apply

TRAINING = {"epochs": 1, "batch": 50}
KEYS: dict[str, list[dict[str, Any]]] = {
    "preprocess": [
        {"steps": [{"op": "denoise", "how": "median"}, {"op": "normalize"}, {"op": "pca", "components": 2}]}
    ],
    "distill": [{"student": {"build": str(shipped.RESNET) + ":resnet8", "width": 2}, "views": 1, **TRAINING}],
    "trim_vocabulary": [{"count": 2}],
    "factorize": [{"rank": 2, **TRAINING}],
    "prune": [
        {"how": "channels", "fraction": 0.5, **TRAINING},
        {"how": "magnitude", "sparsity": 0.5, **TRAINING},
    ],
    "cluster": [{"clusters": 4, **TRAINING}, {"bits": "auto", "budget": "3 KiB", **TRAINING}],
    "federate": [{"engine": "process", "clients": 2, "rounds": 2, "batch": 50}],
    "quantize": [
        {"how": "ptq"},
        {"how": "ptq", "calibrate": "mse"},
        {"how": "ptq", "weights": "int4", "bias_correction": True},
        {"how": "ptq", "precision": "auto", "flash": "7 KiB"},
        {"how": "qat", **TRAINING},
    ],
    "compact": [{}],
    "export": [{"formats": ["tflite", "c", "hex"]}],
    "verify": [{}],
}
OF_WINDOWS = ("preprocess",)
"""The passes that take windows; these may change the task's front and input, and nothing else of the task."""
OF_TEXT = ("trim_vocabulary",)
"""The passes that take sentences; these may change the task's tokenizer, and nothing else of the task."""
CASES = [(use, keys) for use, many in KEYS.items() for keys in many]


def test_every_pass_is_here() -> None:
    assert set(KEYS) == set(PASSES)


def state_for(use: str, kind: str) -> Net | Flat:
    if use in OF_TEXT:
        return texts.net()
    if use in OF_WINDOWS:
        return waves.net()
    return Net(artifacts.network(), artifacts.TASK) if kind == "net" else artifacts.flat()


def context_for(use: str, folder: Path) -> Context:
    if use in OF_TEXT:
        return texts.context(folder)
    if use in OF_WINDOWS:
        return waves.context(folder)
    return artifacts.context(folder, source=source())


@functools.cache
def source() -> Net:
    return Net(artifacts.network(8), artifacts.TASK)


def fingerprint(state: Net | Flat) -> str | bytes:
    return state.content if isinstance(state, Flat) else lessons.digest(state.model)


@pytest.mark.slow
@pytest.mark.parametrize(("use", "keys"), CASES, ids=[f"{use}-{keys.get('how', '')}" for use, keys in CASES])
def test_contract(use: str, keys: dict[str, Any], tmp_path: Path) -> None:
    transform = PASSES[use].model_validate({"use": use, **keys})
    outcomes = []
    given = state_for(use, transform.takes)
    before = fingerprint(given)
    for name in "ab":
        outcome = apply(transform, given, context_for(use, tmp_path / name))
        assert fingerprint(given) == before, "the input was changed"
        assert outcome.state.kind == transform.gives
        shape = given.task.input_shape
        kept = replace(outcome.state.task, tokenizer=None, front=None, input_shape=shape)
        assert kept == replace(given.task, tokenizer=None)
        assert use in (*OF_TEXT, *OF_WINDOWS) or outcome.state.task == given.task
        outcomes.append(outcome)
    first, second = outcomes
    assert fingerprint(first.state) == fingerprint(second.state)
    assert first.files == second.files
    stored = json.loads(json.dumps(first.facts))
    assert fits(stored, transform.facts) or not stored  # the context of tests compares no runtimes
    assert not list(undeclared(stored, transform.facts))


def undeclared(value: Any, kind: Any, place: str = "") -> Iterator[str]:
    """Name the keys that facts have and their declared type has not."""
    known = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in known if kind is not Any else ():
        declared = inside(kind, str(key))
        if declared is None:
            yield f"{place}.{key}"
        yield from undeclared(item, declared, f"{place}.{key}")
