"""Passes after a private one: what trains on the same examples voids its epsilon, and `check` says so."""

from __future__ import annotations

from typing import Any

import pytest

from tinyc.spec.contract import Pass
from tinyc.spec.order import warnings
from tinyc.spec.passes import PASSES
from tinyc.spec.recipe import Step

PRIVATE = {"level": "example", "clip": 1.0, "epsilon": 8, "delta": 1e-3}
KEYS: dict[str, dict[str, Any]] = {
    "distill": {"student": "net.py:net", "epochs": 4},
    "prune": {"how": "channels", "fraction": 0.1},
    "federate": {"clients": 3},
}


def named(use: str, **keys: Any) -> Pass:
    return PASSES[use].model_validate({"use": use, **KEYS.get(use, {}), **keys})


def said(*passes: Pass) -> list[str]:
    steps = [Step(each, (), f"recipe:{line}") for line, each in enumerate(passes, 1)]
    return [each for each in warnings(steps) if "epsilon" in each]


@pytest.mark.parametrize("private", [named("distill", privacy=PRIVATE), named("federate", privacy=PRIVATE)])
def test_a_training_after_a_private_one_is_said(private: Pass) -> None:
    (found,) = said(private, named("prune", epochs=4))
    assert f"prune (pass 2) trains on the examples that {private.use} (pass 1) protects" in found
    assert "give prune epochs = 0" in found


def test_what_does_not_train_or_comes_before_is_fine() -> None:
    private = named("distill", privacy=PRIVATE)
    assert not said(named("prune", epochs=4), private, named("prune", epochs=0), named("quantize", how="ptq"))
    assert not said(named("distill"), named("prune", epochs=4))
    assert said(private, named("quantize", epochs=4, how="qat"))
    assert said(private, named("federate"))
