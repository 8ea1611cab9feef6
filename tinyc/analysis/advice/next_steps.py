"""What may help a bound that was missed, from what was measured in this run; nothing here was tried yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tinyc.analysis.advice import recover, shrink
from tinyc.analysis.advice.missed import Miss
from tinyc.analysis.advice.remarks import Advice, Change, Remark
from tinyc.core import units
from tinyc.spec.metrics import METRICS

MOST = 4
"""Pieces of advice that are given for a bound."""
Found = Iterator[Advice]


@dataclass(frozen=True)
class Row:
    """One row: its name, whether it is about accuracy or about sizes, and what it finds."""

    name: str
    about: str
    found: Callable[[Miss], Found]


ROWS = (
    Row("source below", "accuracy", recover.source_below),
    Row("diagnosed", "accuracy", recover.diagnosed),
    Row("more epochs", "accuracy", recover.more_epochs),
    Row("taught", "accuracy", recover.taught),
    Row("in rounds", "accuracy", recover.in_rounds),
    Row("trained rounding", "accuracy", recover.trained_rounding),
    Row("smaller cut", "accuracy", recover.smaller_cut),
    Row("deeper cut", "size", shrink.deeper_cut),
    Row("first cut", "size", shrink.first_cut),
    Row("thinner", "size", shrink.thinner),
)


def next_steps_for(miss: Miss, legal: Callable[[tuple[Change, ...]], bool]) -> Remark:
    """Say what may help a missed bound; changes that a recipe refuses are left out, and no change is named twice."""
    about = "accuracy" if METRICS[miss.check.metric].figure == "accuracy" else "size"
    says = f"got {shown(miss)}"
    if about == "accuracy" and miss.guesses:
        first = Advice(f"{miss.guesses[0]} cannot be told from guessing: fix that first, as advised there")
        return Remark(miss.about, says, (first,))
    found: list[Advice] = []
    for row in ROWS:
        known = {each.write for each in found}
        if row.about == about and miss.check.got is not None:
            found += [each for each in row.found(miss) if each.write not in known and legal(each.changes)]
    return Remark(miss.about, says, tuple(found[:MOST]))


def shown(miss: Miss) -> str:
    """Write what the bound was judged on."""
    check = miss.check
    return check.why or "-" if check.got is None else units.show(check.got, miss.bound.unit)
