"""`tinyc plan`: what a recipe will end with, shown before anything trains."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinyc import measure
from tinyc.core import cache, streams, units
from tinyc.report.on_device import latency as spelled
from tinyc.report.terminal import open_screen
from tinyc.run.opening import open_run
from tinyc.run.plan import Plan, Rehearsal, Rewrite, hopeless
from tinyc.run.plan import plan as rehearsed
from tinyc.spec.bounds import Check
from tinyc.spec.load import load
from tinyc.spec.metrics import METRICS

LAYERS_SHOWN = 6


def plan(recipe: str, sets: tuple[str, ...], as_json: bool) -> int:
    """Rehearse a recipe and show the prediction; 1 where a target cannot be met."""
    loaded = load(recipe, sets)
    screen = open_screen(quiet=as_json)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_run(loaded, Path(folder), cache.folder(), screen, workers=1) as opened,
    ):
        found = rehearsed(opened)
    lost = hopeless(found.checks)
    if as_json:
        streams.result(json.dumps(to_json(found), indent=2))
    else:
        streams.page("\n".join(text(found)))
    reason = ", ".join(f"cannot be met: {check.metric}" for check in lost) or "no target is ruled out"
    streams.note(f"tinyc: exit {1 if lost else 0} ({reason})")
    return 1 if lost else 0


def text(found: Plan) -> list[str]:
    """Write the plan for people."""
    lines = [f"{'pass':16}" + "".join(f"{name:>22}" for name in ("params", "MACs", "file", "arena"))]
    for low, high in zip(found.lower.states, found.upper.states, strict=True):
        cells = [
            spread(low.figures.get(name), high.figures.get(name), name) for name in ("params", "macs", "file", "arena")
        ]
        lines.append(f"{low.use:16}" + "".join(f"{cell:>22}" for cell in cells))
    lines += uncounted(found)
    if found.lower.ops:
        lines += [
            "",
            "ops, all run by TensorFlow Lite Micro: "
            + ", ".join(f"{name} x{n}" for name, n in found.lower.ops.items()),
        ]
    lines += [line for match in found.lower.matches for line in [matched(match)]]
    lines += map(rewritten, found.lower.rewrites)
    if found.checks:
        lines += ["", "targets, predicted:", *map(shown, found.checks)]
    latency = found.upper.states[-1].latency
    if latency:
        lines += ["", f"latency on the board: {spelled(latency)} ({latency.says})"]
    return lines


def uncounted(found: Plan) -> list[str]:
    """Say why the MACs of a state are a dash."""
    states = [*found.lower.states, *found.upper.states]
    reasons = {f"{state.use}: {measure.uncounted(state.uncounted)}": None for state in states if state.uncounted}
    return ["", *reasons] if reasons else []


def spread(low: int | None, high: int | None, name: str) -> str:
    """Write one figure, or its range; fewer parameters may need more MACs, so the ends are sorted."""
    one, two = (units.show(value, METRICS[name].unit) for value in sorted((low, high), key=lambda value: value or 0))
    return one if one == two else f"{one} .. {two}"


def matched(match: Any) -> str:
    return f"{match.where}: {match.selector!r} names {len(match.layers)} layers: {some(match.layers)}"


def some(layers: tuple[str, ...]) -> str:
    return ", ".join(layers[:LAYERS_SHOWN]) + (" ..." if len(layers) > LAYERS_SHOWN else "")


def rewritten(each: Rewrite) -> str:
    """Write one kind of layer that a pass will rewrite, and what that changes while the network is untrained."""
    change = "" if each.difference is None else f"; untrained outputs change by at most {each.difference:.1g}"
    return f"{each.use} rewrites {each.what} to {each.into} in {len(each.layers)} layers: {some(each.layers)}{change}"


def shown(check: Check) -> str:
    """Write one predicted target."""
    if check.got is None:
        return f"  {check.metric:18} {check.bound:12} {check.why}"
    value = units.show(check.got, METRICS[check.metric].unit)
    estimate = ", an estimate" if check.basis == "estimate" else ""
    return f"  {check.metric:18} {check.bound:12} {value:>14}  {'met' if check.met else 'MISSED'}{estimate}"


def to_json(found: Plan) -> dict[str, Any]:
    """Return the plan as a table."""
    return {
        "lower": rehearsal(found.lower),
        "upper": rehearsal(found.upper),
        "targets": [check.to_json() for check in found.checks],
        "matches": [
            {"where": match.where, "selector": match.selector, "layers": list(match.layers)}
            for match in found.lower.matches
        ],
    }


def rehearsal(each: Rehearsal) -> dict[str, Any]:
    states = [
        {
            "pass": state.use,
            **state.figures,
            "uncounted": list(state.uncounted),
            "latency": state.latency and asdict(state.latency),
        }
        for state in each.states
    ]
    return {
        "states": states,
        "ops": dict(each.ops),
        "artifacts": dict(each.artifacts),
        "rewrites": [asdict(one) for one in each.rewrites],
    }
