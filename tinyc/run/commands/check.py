"""`tinyc check`: whether a recipe is right, and all is there that it names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tinyc.core import streams
from tinyc.run import present
from tinyc.spec.effects import Place
from tinyc.spec.load import load
from tinyc.spec.metrics import METRICS
from tinyc.spec.order import CONVERTER, warnings

SIGN = {"less": "<=", "more": ">="}


def check(recipe: str, sets: tuple[str, ...], as_json: bool) -> None:
    """Read a recipe, look for all that it names, and say what it is; nothing is built or run."""
    loaded = load(recipe, sets)
    present.require(loaded)
    if as_json:
        streams.result(json.dumps(loaded.table, indent=2))
        return
    uses = " -> ".join(step.transform.use for step in loaded.steps)
    streams.show(f"{loaded.path}: ok")
    streams.show(f"  {loaded.name}: {uses}")
    streams.show(f"  {len(loaded.targets)} targets, seed {loaded.seed}")
    for line in advice(loaded):
        streams.show(f"  note: {line}")


def advice(recipe: Any) -> list[str]:
    """Say what is legal but probably not meant."""
    effects = [step.transform.effects for step in recipe.steps]
    places = {each.place for each in effects}
    notes = []
    if Place.CONVERT not in places:
        notes.append(
            f"no {CONVERTER} pass: the run ends with a float network and no artifact; flash and arena stay unmeasured"
        )
    elif Place.WRITE not in places:
        notes.append("no export pass: no .tflite, C or HEX file is written")
    if not recipe.targets:
        notes.append("no [targets]: the run cannot miss anything")
    notes += dict.fromkeys(note for each in effects for note in each.notes)
    return [*notes, *turned_around(recipe), *warnings(recipe.steps)]


def turned_around(recipe: Any) -> Iterator[str]:
    """Name the bounds that a worse network meets, such as a drop of at least 2 pp."""
    placed = [("targets", recipe.targets), *((f"{step.where}.expect", step.expects) for step in recipe.steps)]
    for where, bounds in placed:
        for bound in bounds:
            better = METRICS[bound.metric].better
            if bound.sign != SIGN[better]:
                yield f"{where}.{bound.metric}: {bound.text!r} is met by a worse network; {better} of it is better"
