"""The work of the pass `preprocess`: its steps are fitted on training data, and put before a copy of the network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.data.signals.fitting import fit, is_windows
from tinyc.data.signals.front import Front
from tinyc.data.task import Task
from tinyc.network.checks import require_functional
from tinyc.network.contract import Context, Outcome
from tinyc.network.grafting import with_front
from tinyc.network.signal_layers import FRONT, folded, undone
from tinyc.network.state import Net
from tinyc.spec.passes.preprocess import Preprocess, PreprocessFacts, Streamed
from tinyc.spec.signal_steps import Denoise, split

CHUNK = 1024


def preprocess(options: Preprocess, state: Net, context: Context) -> Outcome:
    """Fit the steps, and put them before a copy of the network.

    Raises:
        UserError: the network reads text or is preprocessed already, or a step does not suit its examples.
        MachineError: SciPy, scikit-learn or PyWavelets is missing.
    """
    task, where = state.task, options.use
    if task.tokenizer is not None:
        raise UserError(where, "the network reads text, which is not a signal", "leave the pass out")
    if task.front is not None or any(layer.name.startswith(FRONT) for layer in state.model.layers):
        raise UserError(where, "the network is preprocessed already", "put all steps into the first preprocess")
    require_functional(state.model)
    rate = task.stream.rate if task.stream else None
    found = fit(options.steps, task.input_shape, lambda: chunks(context, task), rate)
    operations, before = [each.operation for each in found], split(options.steps)
    front = Front(task.input_shape, tuple(operations[:before])) if before else None
    shape = front.output_shape if front else task.input_shape
    linear = folded(operations[before:], shape[-1])
    reduced = (*shape[:-1], linear.mix.shape[1])
    model = with_front(state.model, shape, linear, undone(operations, task.input_shape[-1]))
    given = replace(state.with_model(model), task=replace(task, front=front, input_shape=shape))
    facts: PreprocessFacts = {
        "steps": [{**step.model_dump(mode="json", exclude_none=True, exclude_unset=True), **each.facts,
                   "runs": "before the network, as C" if index < before else "in the network"}
                  for index, (step, each) in enumerate(zip(options.steps, found, strict=True))],
        "fitted_on": {"split": "train", "examples": len(context.data.train)},
        "shape": {"raw": list(task.input_shape), "network": list(shape), "reduced": list(reduced)},
        "layers": [layer.name for layer in model.layers if layer.name.startswith(FRONT)],
        **stream(options, task, reduced),
    }  # fmt: skip
    return Outcome(given, facts)


def stream(options: Preprocess, task: Task, reduced: tuple[int, ...]) -> Streamed:
    """Say what the sensor makes, and what is left of it as one byte a value; None where no rate is known.

    The samples of windows that overlap count once.
    """
    if task.stream is None:
        return {}
    named = [step.rate for step in options.steps if isinstance(step, Denoise) and step.rate]
    rate = task.stream.rate or next(iter(named), None)
    left = reduced[-1] * rate if rate and is_windows(task.input_shape) else None
    if not is_windows(task.input_shape):
        left = math.prod(reduced) * task.stream.decisions
    return {
        "stream": {
            "sensor_bytes_per_second": task.stream.sensor_bytes,
            "after_preprocessing_bytes_per_second": left,
        }
    }


def chunks(context: Context, task: Task) -> Iterator[NDArray[Any]]:
    """Yield the training examples as the network has seen them so far, some at a time."""
    x = context.data.train.x
    for start in range(0, len(x), CHUNK):
        yield inputs(x[start : start + CHUNK], task)
