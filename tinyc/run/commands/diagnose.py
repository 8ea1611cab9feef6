"""`tinyc diagnose`: why the artifact of a finished run loses accuracy, and what helps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tinyc.analysis.diagnosis import trials
from tinyc.analysis.diagnosis.diagnose import Diagnosis
from tinyc.analysis.diagnosis.diagnose import diagnose as examine
from tinyc.analysis.diagnosis.trials import Trial
from tinyc.core import cache, streams
from tinyc.report import diagnosis
from tinyc.report.schema import finite
from tinyc.report.terminal import Screen, open_screen
from tinyc.run.patient import Patient, open_patient
from tinyc.training.probe import Probe


def diagnose(run: Path, trying: bool, as_json: bool) -> None:
    """Find the causes, show them ranked, and try the cheap remedies where asked."""
    screen = open_screen(quiet=as_json)
    with open_patient(run, cache.folder(), screen) as patient:
        found = examine(patient.net, patient.flat, patient.data, patient.pool, patient.options)
        for line in [] if as_json else told(run, patient, found, screen.width):
            streams.show(line)
        tried, unknown = attempts(patient, found, screen, as_json) if trying else ([], ())
    if as_json:
        streams.result(as_table(patient, found, tried, unknown))


def told(run: Path, patient: Patient, found: Diagnosis, width: int) -> list[str]:
    """The diagnosis for people."""
    then, now = patient.before.ledger.accuracy, patient.after.ledger.accuracy
    return diagnosis.text(str(run), patient.step.transform.use, (then, now), found, min(width, 120))


def attempts(
    patient: Patient, found: Diagnosis, screen: Screen, quiet: bool
) -> tuple[Sequence[Trial], tuple[str, ...]]:
    """Try the cheap remedies one after the other, and show each as it ends."""
    proposed, unknown = trials.proposals(found, patient.options)
    probe = Probe(patient.net.clone().model, patient.data, patient.net.task, patient.run.recipe.seed)
    judge = trials.Judge(probe.x, probe.y, patient.pool)
    done: list[Trial] = []
    heading = diagnosis.trial_heading(probe.score(), probe.split)
    for line in [] if quiet else heading:
        streams.show(line)
    for trial in trials.attempts(proposed, patient.quantized, judge, patient.flat.content):
        done.append(trial)
        for line in [] if quiet else diagnosis.trial(trial, min(screen.width, 120)):
            streams.show(line)
    for line in [] if quiet else diagnosis.trial_end(done, unknown, len(probe.y), min(screen.width, 120)):
        streams.show(line)
    return done, unknown


def as_table(patient: Patient, found: Diagnosis, tried: Sequence[Trial], unknown: tuple[str, ...]) -> str:
    """The whole diagnosis as JSON; accuracies of `test` are the run's own."""
    table = {
        "schema": 1,
        "step": patient.after.folder.name,
        "test": {"before": patient.before.ledger.accuracy, "after": patient.after.ledger.accuracy},
        **found.to_json(),
        "trials": [{**vars(trial), "helped": trial.helped, "caution": trial.caution} for trial in tried],
        "untried": list(unknown),
    }
    return json.dumps(finite(table), indent=1, allow_nan=False, ensure_ascii=False)
