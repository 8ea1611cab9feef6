"""States that only guess: what is looked at as soon as one is measured, and what is said of it from what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyc.analysis.advice.guess import Guess
from tinyc.analysis.advice.guessing import is_guessing
from tinyc.analysis.advice.legal import is_legal
from tinyc.analysis.advice.missed import Ran
from tinyc.analysis.advice.reasons import explain_guess
from tinyc.analysis.advice.remarks import Remark
from tinyc.analysis.advice.symptoms import Symptoms
from tinyc.analysis.beside import Beside
from tinyc.measure import Measurement
from tinyc.network.state import Net, State
from tinyc.run import step_records
from tinyc.run.opening import Run
from tinyc.run.stored import Done
from tinyc.run.symptoms import measure
from tinyc.spec.facts import fits, part
from tinyc.spec.training import SourceTrained, Trained

STILL = "cannot be told from guessing either; see the state before it"


def is_guess(run: Run, measured: Measurement) -> bool:
    """Say whether a measured state is no better than guessing."""
    return is_guessing(measured.ledger, measured.labels, len(run.dataset.task.classes))


def symptoms_facts(run: Run, state: State, measured: Measurement, is_loaded: bool) -> Beside:
    """Return the facts of a network that only guesses; none where it does not, or is a file already.

    Args:
        is_loaded: its weights came with it, and were not trained in this run.
    """
    if not isinstance(state, Net) or not is_guess(run, measured):
        return {}
    return {"symptoms": measure(state, run.dataset.for_training(), is_loaded).to_json()}


def of_source(run: Run, source: Done) -> tuple[Remark, ...]:
    """Say what is wrong with the source, and what could be done about it."""
    training = part(SourceTrained, source.facts, Beside)
    train = run.recipe.source.train
    keys = "source.train" if train else ""
    options = train.model_dump() if train else {}
    return reasons_for(run, 0, source, keys, options, training, training and training["seconds"])


def of_step(run: Run, index: int, done: Done, before: Done) -> tuple[Remark, ...]:
    """Say the same of the state that pass `index` gave; where the state before guessed as well, that alone.

    Nothing where it is as accurate as the state before, which was spoken of.
    """
    transform: Any = run.recipe.steps[index - 1].transform
    measured, then = (step_records.measurement(each, run.dataset) for each in (done, before))
    if not transform.effects.leaves("student") and is_guess(run, measured) and is_guess(run, then):
        if done.ledger.accuracy == before.ledger.accuracy:
            return ()
        return (Remark(f"{index} {transform.use}", STILL, follows=True),)
    training = part(Trained, done.facts, transform.facts)
    keys = f"pass.{index}" if training and training["epochs"] else ""
    options = transform.model_dump()
    ran = Ran(index, transform.use, options, before.ledger, done.ledger, done.seconds, done.facts)
    return reasons_for(run, index, done, keys, options if keys else {}, training, done.seconds, ran)


def reasons_for(
    run: Run,
    index: int,
    done: Done,
    keys: str,
    options: Mapping[str, Any],
    training: Trained | None,
    seconds: float | None,
    ran: Ran | None = None,
) -> tuple[Remark, ...]:
    """Look for the reasons in what is stored of a state."""
    measured, recipe, data = step_records.measurement(done, run.dataset), run.recipe, run.dataset
    if not is_guess(run, measured):
        return ()
    uses = tuple(step.transform.use for step in recipe.steps)
    found: Any = done.facts.get("symptoms")
    quantize = next((place for place, use in enumerate(uses, 1) if use == "quantize" and place > index), None)
    guess = Guess(
        state=f"{index} {uses[index - 1]}" if index else "source",
        ledger=done.ledger,
        labels=measured.labels,
        predicted=measured.predicted,
        classes=data.task.classes,
        uses=uses,
        keys=keys,
        options=options,
        training=training,
        seconds=seconds,
        examples=len(data.train),
        symptoms=Symptoms.from_json(found) if fits(found, Symptoms) else None,
        scale=data.task.scale,
        offset=data.task.offset,
        quantize=quantize,
        reestimates=quantize is not None and getattr(recipe.steps[quantize - 1].transform, "reestimate", False),
        use=uses[index - 1] if index else "source",
        ran=ran,
    )
    return (explain_guess(guess, lambda changes: is_legal(recipe, changes)),)
