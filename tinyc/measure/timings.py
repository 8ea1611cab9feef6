"""What `bench.py` wrote on some machine, read strictly: it may come from anybody."""

from __future__ import annotations

from datetime import datetime
from statistics import median
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from tinyc.core import limits
from tinyc.core.errors import UserError, quoted
from tinyc.devices.table import Table

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Word = Annotated[str, Field(min_length=1, max_length=200)]
Starts = Annotated[tuple[Seconds, ...], Field(min_length=1, max_length=1000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def is_date(text: str) -> str:
    """Read a date and time as UTC, to the second."""
    datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    return text


class MeasuredMachine(Table, frozen=True):
    """The machine that was measured on, with its load in the minute before."""

    name: Word
    processor: Word
    architecture: Word
    cores: int = Field(ge=1, le=10_000)
    load_average: float = Field(ge=0, le=1e6)
    system: Word
    python: Word


class Input(Table, frozen=True):
    """One input as the network was given it."""

    type: Word
    shape: tuple[Annotated[int, Field(ge=0, le=limits.ACTIVATION_VALUES)], ...] = Field(max_length=32)
    values: Literal["random", "zeros"]


class Warm(Table, frozen=True):
    """Inferences after the first ones, in seconds."""

    runs: int = Field(ge=1, le=1_000_000)
    min: Seconds
    p5: Seconds
    median: Seconds
    p95: Seconds
    max: Seconds

    @model_validator(mode="after")
    def in_order(self) -> Warm:
        """Refuse percentiles that contradict each other."""
        if not self.min <= self.p5 <= self.median <= self.p95 <= self.max:
            raise ValueError("min, p5, median, p95 and max are not in order")
        return self


class Result(Table, frozen=True):
    """One number of threads: seconds to open the file and of the first inference, by process, and the warm ones.

    `xnnpack` says that the interpreter told that it hands operators to XNNPACK.
    """

    threads: int = Field(ge=1, le=limits.THREADS)
    xnnpack: bool
    load_seconds: Starts
    cold_seconds: Starts
    warm: Warm

    @property
    def cold(self) -> float:
        """The median of the first inferences."""
        return median(self.cold_seconds)

    @property
    def load(self) -> float:
        """The median of opening the file."""
        return median(self.load_seconds)


class Timings(Table, frozen=True):
    """All that was measured of one file on one machine."""

    format: Literal["tinyc bench 1"]
    sha256: Sha256
    file_bytes: int = Field(ge=1, le=limits.NETWORK_BYTES)
    runtime: Word
    machine: MeasuredMachine
    date: Annotated[str, AfterValidator(is_date)]
    seed: int | None = Field(ge=0)
    inputs: tuple[Input, ...] = Field(max_length=1000)
    results: tuple[Result, ...] = Field(min_length=1, max_length=limits.THREADS)

    @model_validator(mode="after")
    def counted_once(self) -> Timings:
        """Refuse two results for one number of threads."""
        if len({each.threads for each in self.results}) != len(self.results):
            raise ValueError("two results are of one number of threads")
        return self

    @property
    def fastest(self) -> Result:
        """The number of threads with the least median."""
        return min(self.results, key=lambda each: each.warm.median)


def read_timings(text: str, where: str) -> Timings:
    """Read what `bench.py` wrote.

    Raises:
        UserError: it is something else, or its figures cannot be.
    """
    try:
        return Timings.model_validate_json(text)
    except ValidationError as error:
        problem = f"is not what bench.py writes: {fault(error)}"
        raise UserError(where, problem, "measure again, and keep all that it writes") from error


def fault(error: ValidationError) -> str:
    """Say what is wrong first, and where."""
    first = error.errors(include_url=False)[0]
    key, given = ".".join(map(str, first["loc"])), first["input"]
    said = f"{key}: " if key else ""
    shown = isinstance(given, int | float | str) and first["type"] != "json_invalid"
    return said + first["msg"].removeprefix("Value error, ") + (f" (it is {quoted(given)})" if shown else "")
