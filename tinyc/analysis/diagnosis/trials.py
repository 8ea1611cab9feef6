"""Trying the cheap remedies: the same network quantized again, judged on the same validation examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tinyc.analysis.diagnosis.causes import KERNELS
from tinyc.analysis.diagnosis.record import Diagnosis
from tinyc.analysis.diagnosis.remedies import Change, caution, fits, spelled
from tinyc.core.errors import TinycError, UserError
from tinyc.quantization.int8_facts import per_channel_notes
from tinyc.tflite.run.pool import Pool

CALIBRATE = ("minmax", "percentile", "mse")
EXCLUDED = (1, 3)
SEEN_BY_TFLM = 2
# Takes the changes of `quantize`'s keys and gives the artifact's bytes.
Quantized = Callable[[Mapping[str, Any]], bytes]


@dataclass(frozen=True)
class TrialExamples:
    """The examples that every trial is judged on: inputs as the network sees them, and their labels."""

    x: NDArray[Any]
    y: NDArray[Any]
    pool: Pool

    def accuracy(self, content: bytes) -> float:
        """Return the fraction of examples whose largest output is the label's; fast kernels where they are right."""
        outputs = None
        if not per_channel_notes(content):
            try:
                outputs = self.pool.run(content, self.x, "fast").outputs
            except UserError:
                outputs = None
        if outputs is None:
            outputs = self.pool.run(content, self.x, "tflm").outputs
        return float((outputs.reshape(len(self.y), -1).argmax(-1) == self.y).mean())

    def runs_on_tflm(self, content: bytes) -> bool:
        try:
            self.pool.run(content, self.x[:SEEN_BY_TFLM], "tflm")
        except UserError:
            return False
        return True


@dataclass(frozen=True)
class Trial:
    """One way to quantize and what came of it; `problem` says why there is no figure.

    `accuracy` and `gain` (against the run's own artifact) are fractions of the examples.
    """

    what: str
    accuracy: float | None
    gain: float | None
    file_bytes: int | None
    tflm: bool | None
    problem: str = ""

    @property
    def caution(self) -> str:
        """What must be said with what was tried; empty where nothing must."""
        return caution([self.what])

    @property
    def helped(self) -> bool:
        return self.gain is not None and self.gain > 0 and bool(self.tflm)


def proposals(
    diagnosis: Diagnosis, options: Mapping[str, Any]
) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    """List the changes to try, and the keys that this `quantize` does not know."""
    wanted = [dict([change]) for change in changes(diagnosis, options)]
    unknown = tuple(dict.fromkeys(key for each in wanted for key in each if key not in options))
    return tuple(each for each in wanted if not set(each) & set(unknown)), unknown


def changes(diagnosis: Diagnosis, options: Mapping[str, Any]) -> Iterator[Change]:
    """Yield the changes that cost a conversion each and no training."""
    if options.get("how") == "qat":
        yield "how", "ptq"
    clips = [how for how in CALIBRATE if how != options.get("calibrate", "minmax")]
    yield from (("calibrate", how) for how in clips if fits("calibrate", how, options))
    if any(each.op == "FULLY_CONNECTED" and each.scales == 1 and each.channels > 1 for each in diagnosis.layers):
        yield "per_channel_dense", True
    for key in ("bias_correction", "equalize"):
        if not options.get(key):
            yield key, True
    if options.get("activations") != "int16" and fits("activations", "int16", options):
        yield "activations", "int16"
    names = suspects(diagnosis) if fits("exclude", (), options) else []
    for count in EXCLUDED:
        if len(names) >= count:
            yield "exclude", [*(options.get("exclude") or ()), *names[:count]]


def suspects(diagnosis: Diagnosis) -> list[str]:
    """Layers with a kernel: those that causes name, then those with the least signal to noise of their own."""
    kernels = [each for each in diagnosis.layers if each.op in KERNELS]
    own = sorted(kernels, key=lambda each: min(each.own_db or 99.0, each.weights_db or 99.0))
    known = {each.layer for each in kernels}
    named = [cause.layer for cause in diagnosis.causes if cause.layer in known]
    return list(dict.fromkeys([*named, *(each.layer for each in own)]))


def attempts(
    proposed: Sequence[Mapping[str, Any]], quantized: Quantized, examples: TrialExamples, before: bytes
) -> Iterator[Trial]:
    """Try each change on its own, then all that helped together; the first row is the run's artifact as it is."""
    base = examples.accuracy(before)
    yield Trial("as it is", base, 0.0, len(before), examples.runs_on_tflm(before))
    helpful: list[tuple[float, Mapping[str, Any]]] = []
    for each in proposed:
        trial = attempt(each, quantized, examples, base)
        yield trial
        if trial.helped and trial.gain:
            helpful.append((trial.gain, each))
    together: dict[str, Any] = {}
    for _, each in sorted(helpful, key=lambda pair: -pair[0]):
        together = {**each, **together}
    if len(together) > 1:
        yield attempt(together, quantized, examples, base)


def attempt(change: Mapping[str, Any], quantized: Quantized, examples: TrialExamples, base: float) -> Trial:
    """Quantize with some keys changed and evaluate what comes out; a refusal is a result too."""
    what = ", ".join(spelled(key, value) for key, value in change.items())
    try:
        content = quantized(change)
        accuracy = examples.accuracy(content)
    except TinycError as error:
        return Trial(what, None, None, None, None, error.problem)
    return Trial(what, accuracy, accuracy - base, len(content), examples.runs_on_tflm(content))
