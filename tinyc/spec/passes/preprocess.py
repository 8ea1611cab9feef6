"""The pass `preprocess`: noise, scale and correlation are taken out of the signal before the network sees it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from tinyc.core.errors import UserError
from tinyc.network.contract import Context, Outcome
from tinyc.spec.contract import Kind
from tinyc.spec.signal_steps import Denoise, Step, modules, split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinyc.data.task import Task
    from tinyc.network.state import Net

CHUNK = 1024


class Preprocess(BaseModel, frozen=True, extra="forbid"):
    """Denoise, normalize and project the signal; fitted on training data alone, and nothing is trained.

    Filters, normalization and PCA become frozen layers, tinyc_front_*, so that the artifact takes raw examples. A
    median or wavelet, and the steps before it, run before the network: `export` writes them as C. The network that
    came sees its own view of what is left, through tinyc_back_* layers; a later `distill` builds its student on the
    reduced signal instead. Beyond the ends of a window a filter sees zeros.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "net"

    use: Literal["preprocess"] = "preprocess"
    steps: tuple[Step, ...] = Field(
        min_length=1,
        description="in order: { op = 'denoise', how = ... }, { op = 'normalize' }, { op = 'pca', components = 3 }",
    )

    @model_validator(mode="after")
    def one_filter_in_the_network(self) -> Self:
        """Refuse what does not fold exactly: at a window's ends two filters are not one."""
        last = self.steps[split(self.steps) :]
        filters = sum(isinstance(step, Denoise) for step in last)
        if filters > 1:
            raise ValueError(
                f"{filters} filters stand after each other in the network, and at a window's ends they are not one; "
                "leave one, such as a lowpass or bandpass in their place"
            )
        return self

    @property
    def libraries(self) -> tuple[str, ...]:
        """Modules without which the pass cannot run; the pipeline asks for them before anything trains."""
        return modules(self.steps)

    def apply(self, state: Net, context: Context) -> Outcome:
        """Fit the steps, and put them before a copy of the network.

        Raises:
            UserError: the network reads text or is preprocessed already, or a step does not suit its examples.
            MachineError: SciPy, scikit-learn or PyWavelets is missing.
        """
        from tinyc.compression.pruning.graph import require_functional
        from tinyc.data.signals.fitting import fit
        from tinyc.data.signals.front import Front
        from tinyc.network.grafting import with_front
        from tinyc.network.signal_layers import FRONT, folded, undone

        task = state.task
        if task.tokenizer is not None:
            raise UserError(self.use, "the network reads text, which is no signal", "leave the pass out")
        if task.front is not None or any(layer.name.startswith(FRONT) for layer in state.model.layers):
            raise UserError(self.use, "the network is preprocessed already", "put all steps into the first preprocess")
        require_functional(state.model)
        rate = task.stream.rate if task.stream else None
        found = fit(self.steps, task.input_shape, lambda: chunks(context, task), rate)
        operations, before = [each.operation for each in found], split(self.steps)
        front = Front(task.input_shape, tuple(operations[:before])) if before else None
        shape = front.output_shape if front else task.input_shape
        linear = folded(operations[before:], shape[-1])
        reduced = (*shape[:-1], linear.mix.shape[1])
        model = with_front(state.model, shape, linear, undone(operations, task.input_shape[-1]))
        given = replace(state.with_model(model), task=replace(task, front=front, input_shape=shape))
        facts = {
            "steps": [{**step.model_dump(mode="json", exclude_none=True, exclude_unset=True), **each.facts,
                       "runs": "before the network, as C" if index < before else "in the network"}
                      for index, (step, each) in enumerate(zip(self.steps, found, strict=True))],
            "fitted_on": {"split": "train", "examples": len(context.data.train)},
            "shape": {"raw": list(task.input_shape), "network": list(shape), "reduced": list(reduced)},
            "layers": [layer.name for layer in model.layers if layer.name.startswith(FRONT)],
            **self.stream(task, reduced),
        }  # fmt: skip
        return Outcome(given, facts)

    def stream(self, task: Task, reduced: tuple[int, ...]) -> dict[str, Any]:
        """Say what the sensor makes, and what is left of it as one byte a value; None where no rate is known.

        The samples of windows that overlap count once.
        """
        from tinyc.data.signals.fitting import is_windows

        if task.stream is None:
            return {}
        named = [step.rate for step in self.steps if isinstance(step, Denoise) and step.rate]
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
    """The training examples as the network has seen them so far, some at a time."""
    from tinyc.data import inputs

    x = context.data.train.x
    for start in range(0, len(x), CHUNK):
        yield inputs(x[start : start + CHUNK], task)
