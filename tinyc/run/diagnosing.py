"""The quantization doctor at work in a run: called when an artifact loses more than its limit."""

from __future__ import annotations

from typing import Any

from tinyc import measure
from tinyc.analysis.beside import Beside, Blamed, Diagnosed
from tinyc.analysis.diagnosis.findings import Cause
from tinyc.analysis.diagnosis.record import Diagnosis
from tinyc.core import units
from tinyc.core.errors import TinycError
from tinyc.network.state import Flat, Net, State
from tinyc.run.opening import Run
from tinyc.spec.bounds import Bound
from tinyc.spec.recipe import Recipe, Step

SHOWN = 5
LAYERS_SHOWN = 5


def findings(
    run: Run, step: Step, taken: State, given: State, now: measure.Measurement, then: measure.Measurement
) -> Beside:
    """Give the facts of a diagnosis, and say the likeliest cause; nothing where no limit is passed."""
    bound = limit(run.recipe, step)
    if bound is None or not isinstance(taken, Net) or not isinstance(given, Flat):
        return {}
    drop = measure.measured("accuracy_drop", now, then)
    if bound.judge(drop).met or drop.value is None:
        return {}
    from tinyc.analysis.diagnosis.diagnose import diagnose  # imports TensorFlow, which few runs need this late

    try:
        found = diagnose(taken, given, run.dataset.for_training(), run.pool, options(step))
    except TinycError as error:
        return {"diagnosis": f"could not be made: {error}"}
    first = f"{found.causes[0].kind} in {found.causes[0].layer}" if found.causes else "no cause found"
    lost = f"{step.transform.use} loses {units.show(drop.value, 'pp')}, which is not {bound.text}"
    run.progress.say(f"{lost}: {first} (tinyc diagnose {run.folder.path})")
    return {"diagnosis": facts(found)}


def limit(recipe: Recipe, step: Step) -> Bound | None:
    """Return the most accuracy that a step may lose: its own bound, or else the whole recipe's."""
    return next((bound for bound in (*step.expects, *recipe.targets) if bound.metric == "accuracy_drop"), None)


def options(step: Step) -> dict[str, Any]:
    """Return every key that the step's pass knows, with its value."""
    transform: Any = step.transform
    return dict(transform.model_dump(exclude={"use"}))


def added(cause: Cause) -> str:
    """Return the recipe lines of a cause, with what must be said of them."""
    return "; ".join(filter(None, [" or ".join(cause.recipe), cause.caution]))


def facts(found: Diagnosis) -> Diagnosed:
    """Return a diagnosis as facts of its step: the causes, and the layers with the least signal to noise."""
    known = sorted((each for each in found.layers if each.sqnr_db is not None), key=lambda each: each.sqnr_db or 0.0)
    causes: list[Blamed] = [
        {"cause": each.kind, "layer": each.layer, "evidence": each.evidence, "add": added(each)}
        for each in found.causes[:SHOWN]
    ]
    return {
        "examples": f"{found.examples} of {found.split}",
        "causes": causes or "no cause found",
        "noisiest": [{"layer": each.layer, "sqnr_db": round(each.sqnr_db or 0.0, 1)} for each in known[:LAYERS_SHOWN]],
    }
