"""The pass `preprocess`: noise, scale and correlation are taken out of the signal before the network sees it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NotRequired, Self, TypedDict

from pydantic import Field, model_validator

from tinyc.core.errors import UserError
from tinyc.core.units import Rate
from tinyc.spec.contract import Kind, Pass, Where
from tinyc.spec.data import DataSpec
from tinyc.spec.datasets import NAMED
from tinyc.spec.effects import Effects, Made, Once, Want
from tinyc.spec.sentences import Prepare
from tinyc.spec.signal_steps import Denoise, Step, modules, rate_of, require_width, split

Stream = TypedDict("Stream", {
    "sensor_bytes_per_second": Rate | None, "after_preprocessing_bytes_per_second": Rate | None,
})  # fmt: skip
"""What the sensor makes, and what is left of it as one byte a value."""
Streamed = TypedDict("Streamed", {"stream": Stream}, total=False)
PreprocessFacts = TypedDict("PreprocessFacts", {
    "steps": list[dict[str, Any]], "fitted_on": dict[str, Any], "shape": dict[str, list[int]], "layers": list[str],
    "stream": NotRequired[Stream],
})  # fmt: skip
"""The fitted numbers of each step, and the shapes on the way to the network."""


class Preprocess(Pass, frozen=True, extra="forbid"):
    """Denoise, normalize and project the signal; fitted on training data alone, and nothing is trained.

    Filters, normalization and PCA become frozen layers, tinyc_front_*, so that the artifact takes raw examples. A
    median or wavelet, and the steps before it, run before the network: `export` writes them as C. The network that
    came sees its own view of what is left, through tinyc_back_* layers; a later `distill` builds its student on the
    reduced signal instead. Beyond the ends of a window a filter sees zeros.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "net"
    facts: ClassVar[type] = PreprocessFacts

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

    @property
    def effects(self) -> Effects:
        """Another signal, which a student sees; for the network at hand, scales and channels are undone."""
        rescales = any(not isinstance(step, Denoise) for step in self.steps)
        unused = (
            "scales or projects, and without a distill pass after it the network keeps layers that undo it; put "
            "distill after it, whose student sees the reduced signal"
        )
        return Effects(
            once=Once("the signal is described once", "put all steps into the first, in order"),
            fits=rescales,
            outlives=True,
            makes=(Made("undo layers"),) if rescales else (),
            wants=(Want(("student",), "after", unused),) if rescales else (),
        )

    def check_data(self, data: DataSpec, where: Where) -> None:
        """Refuse text, filters that no rate allows, and taps that no window holds.

        Raises:
            UserError: the first of them.
        """
        named = data.name is not None and NAMED[data.name].is_text
        if named or data.text is not None or isinstance(data.prepare, Prepare):
            raise UserError(where(()), "preprocess is for signals, and the data is text", "leave the pass out")
        for number, step in enumerate(self.steps):
            if isinstance(step, Denoise):
                check_filter(step, data, where(("steps", number)))


def check_filter(step: Denoise, data: DataSpec, where: str) -> None:
    """Check one filter against the rate and the window's length, where `[data]` says them."""
    if step.how in ("lowpass", "bandpass"):
        rate_of(step, data.sensor[0] if data.sensor else None, where)
    if len(data.steps) == 1 and data.steps[0].op == "window":
        require_width(step, data.steps[0].length, where)
