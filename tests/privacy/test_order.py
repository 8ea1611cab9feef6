"""Passes after a private one: what trains on the same examples voids its epsilon, and `check` says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tinyc.spec.order import warnings
from tinyc.spec.recipe import Step


@dataclass(frozen=True)
class Named:
    """A pass that is only its name and what the question is about."""

    use: str
    epochs: int = 0
    privacy: Any = None
    how: str | None = None
    takes: str = "net"
    gives: str = "net"

    def apply(self, state: Any, context: Any) -> Any:
        raise NotImplementedError


def said(*passes: Named) -> list[str]:
    steps = [Step(each, (), f"recipe:{line}") for line, each in enumerate(passes, 1)]
    return [each for each in warnings(steps) if "epsilon" in each]


@pytest.mark.parametrize("private", [Named("distill", 4, privacy="some"), Named("federate", privacy="some")])
def test_a_training_after_a_private_one_is_said(private: Named) -> None:
    (found,) = said(private, Named("prune", 4, how="channels"))
    assert f"prune (pass 2) trains on the examples that {private.use} (pass 1) protects" in found
    assert "give prune epochs = 0" in found


def test_what_does_not_train_or_comes_before_is_fine() -> None:
    private = Named("distill", 4, privacy="some")
    assert not said(Named("prune", 4), private, Named("prune", 0), Named("quantize", 4, how="ptq"))
    assert not said(Named("distill", 4), Named("prune", 4))
    assert said(private, Named("quantize", 4, how="qat"))
    assert said(private, Named("federate"))
