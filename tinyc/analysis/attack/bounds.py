"""The most that any attack can reach on an example that a training with (epsilon, delta) protected.

A test with false alarms a and true alarms b has b <= e^epsilon a + delta, and 1 - a <= e^epsilon (1 - b) + delta
(Kairouz, Oh and Viswanath 2015, theorem 2.1). Both figures hold where the example alone decides which of two runs is
seen; they do not where members differ from others in more than that (Humphries et al. 2020).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """What a run promised each of its examples.

    Attributes:
        epsilon: of all private steps together, added up.
        delta: likewise.
        steps: the steps that kept to it, e.g. "2 distill".
        beside: steps that learnt from the same examples without noise, and whose weights or answers went on.
    """

    epsilon: float
    delta: float
    steps: tuple[str, ...]
    beside: tuple[str, ...]

    @property
    def advantage(self) -> float:
        """True minus false alarms: (e^epsilon - 1 + 2 delta) / (e^epsilon + 1) (Humphries et al. 2020, theorem 3.1)."""
        return min(1.0, math.tanh(self.epsilon / 2) + 2 * self.delta * self._share)

    @property
    def auc(self) -> float:
        """The area under the two lines that bound the true alarms, which meet at (1 - delta) / (e^epsilon + 1)."""
        delta = min(1.0, self.delta)
        meet = (1 - delta) * self._share
        rising = (delta + 1 - meet) / 2 * meet
        return min(1.0, rising + (1 - delta - meet) * (2 - meet) / 2 + delta)

    @property
    def _share(self) -> float:
        """1 / (e^epsilon + 1), also for large epsilon."""
        return math.exp(-self.epsilon) / (1 + math.exp(-self.epsilon))
