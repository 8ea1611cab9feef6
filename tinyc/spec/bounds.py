"""Bounds on what an artifact may weigh and lose, and the verdict on each.

What was not measured is null and never meets a bound.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tinyc.core import units
from tinyc.core.spelling import nearest
from tinyc.core.units import Unit
from tinyc.spec.metrics import METRICS, bounded

Basis = Literal["measured", "estimate"]
BOUND = re.compile(r"(<=|>=)\s*(\S.*)")


@dataclass(frozen=True)
class Measured:
    """One figure with its 95 % interval, or the range of an estimate; all None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    basis: Basis = "measured"


@dataclass(frozen=True)
class Check:
    """One bound judged: `got` in bytes, counts or fractions; the point estimate decides.

    `default` names the board that a bound comes from; None where the recipe has it. With `basis` "estimate" nothing was
    measured: it is judged on the worse end of the estimate.
    """

    metric: str
    bound: str
    got: float | None
    low: float | None
    high: float | None
    met: bool
    why: str | None
    default: str | None = None
    basis: Basis = "measured"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Bound:
    """One bound of a recipe, e.g. `accuracy_drop <= 1 pp`; `limit` in bytes, counts or fractions.

    `default` names the board that it comes from; None where the recipe has it.
    """

    metric: str
    sign: Literal["<=", ">="]
    limit: float
    text: str
    default: str | None = None

    @property
    def unit(self) -> Unit:
        return METRICS[self.metric].unit

    @classmethod
    def parse(cls, metric: str, text: str) -> Bound:
        """Read one bound.

        Raises:
            ValueError: the metric or its unit is unknown, or the text is not a bound.
        """
        known = bounded()
        if metric not in known:
            close = nearest(metric, known)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
            raise ValueError(f"unknown metric {metric!r}{hint}")
        match = BOUND.fullmatch(text.strip())
        if not match:
            raise ValueError(f"{text!r} is not a bound; write '<= 1 pp' or '>= 90 %'")
        limit = units.parse(match[2], known[metric].unit)
        return cls(metric, "<=" if match[1] == "<=" else ">=", limit, text)

    def judge(self, measured: Measured, unmeasured: str = "not measured") -> Check:
        """Compare the point estimate with the limit; a missing measurement is a miss, for the reason `unmeasured`."""
        got = measured.value
        if got is None:
            return Check(self.metric, self.text, None, None, None, False, unmeasured, self.default)
        # Fractions come from divisions: 0.005 of a half-point drop must meet "<= 0.5 pp".
        slack = 1e-9 if self.unit in ("fraction", "pp") else 0.0
        met = got <= self.limit + slack if self.sign == "<=" else got >= self.limit - slack
        why = None if met else f"{units.show(got, self.unit)} is not {self.text}"
        low, high = measured.low, measured.high
        return Check(self.metric, self.text, got, low, high, met, why, self.default, measured.basis)
