"""`tinyc diagnose`: why the artifact of a finished run loses accuracy, and what helps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tinyc.analysis.diagnosis import trials
from tinyc.analysis.diagnosis.diagnose import diagnose as examine
from tinyc.analysis.diagnosis.record import Diagnosis
from tinyc.analysis.diagnosis.trials import Trial
from tinyc.core import cache, streams
from tinyc.report import diagnosis
from tinyc.report.schema import finite
from tinyc.report.terminal import Screen, open_screen
from tinyc.run.finished import Quantized, open_quantized
from tinyc.training.probe import Probe


def diagnose(run: Path, trying: bool, as_json: bool) -> None:
    """Find the causes, show them ranked, and try the cheap remedies where asked."""
    screen = open_screen(quiet=as_json)
    with open_quantized(run, cache.folder(), screen) as made:
        found = examine(made.net, made.flat, made.data, made.pool, made.options)
        for line in [] if as_json else diagnosis_lines(run, made, found, screen.width):
            streams.show(line)
        tried, unknown = attempts(made, found, screen, as_json) if trying else ([], ())
    if as_json:
        streams.result(as_table(made, found, tried, unknown))


def diagnosis_lines(run: Path, made: Quantized, found: Diagnosis, width: int) -> list[str]:
    """Write the diagnosis for people."""
    then, now = made.before.ledger.accuracy, made.after.ledger.accuracy
    return diagnosis.text(str(run), made.step.transform.use, (then, now), found, min(width, 120))


def attempts(made: Quantized, found: Diagnosis, screen: Screen, quiet: bool) -> tuple[Sequence[Trial], tuple[str, ...]]:
    """Try the cheap remedies one after the other, and show each as it ends."""
    proposed, unknown = trials.proposals(found, made.options)
    probe = Probe(made.net.clone().model, made.data, made.net.task, made.run.recipe.seed)
    examples = trials.TrialExamples(probe.x, probe.y, made.pool)
    done: list[Trial] = []
    heading = diagnosis.trial_heading(probe.score(), probe.split)
    for line in [] if quiet else heading:
        streams.show(line)
    for trial in trials.attempts(proposed, made.quantized, examples, made.flat.content):
        done.append(trial)
        for line in [] if quiet else diagnosis.trial(trial, min(screen.width, 120)):
            streams.show(line)
    for line in [] if quiet else diagnosis.trial_end(done, unknown, len(probe.y), min(screen.width, 120)):
        streams.show(line)
    return done, unknown


def as_table(made: Quantized, found: Diagnosis, tried: Sequence[Trial], unknown: tuple[str, ...]) -> str:
    """Return the whole diagnosis as JSON; accuracies of `test` are the run's own."""
    table = {
        "schema": 1,
        "step": made.after.folder.name,
        "test": {"before": made.before.ledger.accuracy, "after": made.after.ledger.accuracy},
        **found.to_json(),
        "trials": [{**vars(trial), "helped": trial.helped, "caution": trial.caution} for trial in tried],
        "untried": list(unknown),
    }
    return json.dumps(finite(table), indent=1, allow_nan=False, ensure_ascii=False)
