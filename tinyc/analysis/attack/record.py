"""What an attack found, as it is written to attack.json.

schema                1
run, artifact         name of the run, and of the step whose artifact was asked
runtime               "tflm" or "fast", and `runtime_version`: the interpreter that ran the artifact
seed                  draws examples, halves and thresholds
members, others       how many examples of the training and of the test split were asked about
unit                  null, or the column that keeps members and others apart (subject, recording), with
                      `member_units` and `other_units`: how many values of it there are on each side
cluster               null, or the column whose values the intervals draw anew
loss                  mean cross-entropy in nats of `members`, `others`, and `validation` (null where there is none)
accuracy              likewise, a fraction
attacks               one for each attack:
  name                "loss" (threshold), "lira"; and where there are validation examples, which trained nothing:
                      "loss_validation" (threshold, with them in the others' place) and "control" (in the members')
  auc, advantage      {"value", "low", "high"}; true minus false alarms is the advantage; limits may be null
  tpr_at_1_percent    share of members found at 1 % false alarms; null below 100 others
  tpr_at_0_1_percent  likewise at 0.1 %; null below 1000 others
shadows               null, or {"count", "epochs", "examples" (mean), "method": "online" or "offline",
                      "options": of their training}
promise               null, or {"epsilon", "delta", "steps", "beside", "auc", "advantage"}: the run's example-level
                      privacy, what learnt beside it without noise, and the most that any attack can then reach
verdict, notes        sentences
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tinyc.analysis.attack.bounds import Promise
from tinyc.analysis.attack.scored import Figure, Scored, advantage, auc, true_rate

Name = Literal["loss", "lira", "loss_validation", "control"]


@dataclass(frozen=True)
class Found:
    """One attack's figures."""

    name: Name
    auc: Figure
    advantage: Figure
    tpr_at_1_percent: float | None
    tpr_at_0_1_percent: float | None

    @classmethod
    def of(cls, name: Name, scored: Scored, seed: int) -> Found:
        return cls(name, auc(scored), advantage(scored, seed), true_rate(scored, 0.01), true_rate(scored, 0.001))


@dataclass(frozen=True)
class Attack:
    """Everything that was found; the module says what each field is."""

    run: str
    artifact: str
    runtime: str
    runtime_version: str
    seed: int
    members: int
    others: int
    unit: str | None
    member_units: int
    other_units: int
    cluster: str | None
    loss: Mapping[str, float | None]
    accuracy: Mapping[str, float | None]
    attacks: tuple[Found, ...]
    shadows: Mapping[str, Any] | None
    promise: Promise | None
    verdict: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        table = {"schema": 1, **asdict(self)}
        if self.promise:
            table["promise"] |= {"auc": self.promise.auc, "advantage": self.promise.advantage}
        return table
