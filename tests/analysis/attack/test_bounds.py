"""What epsilon allows at most, against the formula, its limits, and a mechanism that reaches it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinyc.analysis.attack.bounds import Promise
from tinyc.analysis.attack.scored import Scored, auc, threshold


def promise(epsilon: float, delta: float = 0.0) -> Promise:
    return Promise(epsilon, delta, ("1 distill",), ())


@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 0.0), (1.0, 1e-3), (8.0, 1e-3), (3.0, 0.2)])
def test_the_formula(epsilon: float, delta: float) -> None:
    e = math.exp(epsilon)
    assert promise(epsilon, delta).advantage == pytest.approx((e - 1 + 2 * delta) / (e + 1))
    false = np.linspace(0, 1, 200_001)
    true = np.clip(np.minimum(e * false + delta, 1 - (1 - delta - false) / e), 0, 1)
    assert promise(epsilon, delta).auc == pytest.approx(float(np.trapezoid(true, false)) if hasattr(np, "trapezoid")
                                                        else float(np.trapz(true, false)), abs=1e-4)  # fmt: skip


def test_the_limits() -> None:
    assert promise(0).advantage == 0
    assert promise(0).auc == 0.5
    assert promise(5000).advantage == 1
    assert promise(5000).auc == 1


def test_randomized_response_reaches_it_exactly() -> None:
    """A bit told truly with probability e^eps / (1 + e^eps) is the worst that epsilon allows."""
    epsilon, many = math.log(3), 4000
    told = np.arange(many) < many * 3 // 4
    scored = Scored(told.astype(float), (~told).astype(float))
    assert auc(scored).value == pytest.approx(promise(epsilon).auc)
    least = threshold(scored.members, scored.others)
    assert (scored.members >= least).mean() - (scored.others >= least).mean() == pytest.approx(
        promise(epsilon).advantage
    )
