"""Public measurements of latency and what they are of, as data: what estimates are calibrated on."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tinyc.devices.board import Core
from tinyc.devices.runtime import Kernels
from tinyc.devices.table import Table

FOLDER = Path(__file__).parent / "latency"
Count = Annotated[int, Field(ge=0, lt=1 << 48)]
Positive = Annotated[float, Field(gt=0, lt=1e12)]
Shape = tuple[int, ...]


class Layer(Table, frozen=True):
    """One operator of a measured network; shapes as the .tflite has them, `weights` those of its constant weights."""

    operator: str
    input: Shape
    output: Shape
    weights: Shape | None = None
    macs: Count
    weight_bytes: Count
    value_bytes: Count


class Network(Table, frozen=True):
    """A network that was measured; `sha256` is that of the .tflite that its layers were counted on."""

    name: str
    title: str
    source: str
    sha256: str
    layers: tuple[Layer, ...] = Field(min_length=1)


class Setup(Table, frozen=True):
    """One board with one build: milliseconds of one inference, by network.

    `kernels` is None where they are a vendor's own, which no runtime here has. `where` says, by network, what a run
    was on where it was not the usual arena in internal RAM. `excluded` says why none of it calibrates an estimate.
    """

    name: str
    title: str
    core: Core
    clock_mhz: Positive
    runtime: str
    kernels: Kernels | None = None
    values: Literal["int8", "float32"] = "int8"
    flash: Literal["internal", "serial"] = "internal"
    build: str | None = None
    ms: dict[str, Positive] = Field(min_length=1)
    where: dict[str, str] = Field(default_factory=dict)
    excluded: str | None = None
    source: str

    @property
    def calibrates(self) -> bool:
        """Say whether estimates may be fitted to it."""
        return self.excluded is None and self.kernels is not None and self.values == "int8"

    @property
    def counted(self) -> dict[str, float]:
        """Give the milliseconds that were measured with the arena in internal RAM."""
        return {network: ms for network, ms in self.ms.items() if network not in self.where}


Kind = Literal["convolution", "product", "depthwise"]
"""How an operator multiplies: by filters over several places, by a matrix, or within a channel."""


class Product(Table, frozen=True):
    """The cycles that one operator, or all of one kind in a network, took for so many multiply-accumulates."""

    operator: str
    kind: Kind
    core: Core
    kernels: Kernels
    cycles: Positive
    macs: Annotated[int, Field(gt=0)]
    source: str

    @property
    def each(self) -> float:
        """Give the cycles a multiply-accumulate."""
        return self.cycles / self.macs


class Figure(Table, frozen=True):
    """The cycles that one operator took on so many elements: of its input where it reduces, else of its output."""

    operator: str
    core: Core
    kernels: Kernels
    cycles: Positive
    elements: Annotated[int, Field(gt=0)]
    source: str

    @property
    def each(self) -> float:
        """Give the cycles an element."""
        return self.cycles / self.elements


class Flash(Table, frozen=True):
    """How fast a core reads serial flash in place; `cache_bytes` is what it keeps of it, None where no source tells."""

    core: Core
    bytes_per_second: Positive
    cache_bytes: Annotated[int, Field(gt=0)] | None = None
    source: str


class Fetched(Table, frozen=True):
    """What a call of an operator costs beside its work.

    `cycles` are those of a call; from serial flash, its code is fetched as well: `first_bytes` when an operator of its
    kind runs for the first time in an inference, `bytes` each time.
    """

    cycles: Positive
    first_bytes: Positive
    bytes: Positive
    source: str


class Measurements(Table, frozen=True):
    """All that is known of latency, from the files of `devices/latency`."""

    networks: tuple[Network, ...]
    setups: tuple[Setup, ...]
    products: tuple[Product, ...]
    figures: tuple[Figure, ...]
    flashes: tuple[Flash, ...]
    call: Fetched

    @model_validator(mode="after")
    def networks_are_known(self) -> Measurements:
        """Refuse a measurement of a network that is not here, or a remark on one that was not measured."""
        known = {network.name for network in self.networks}
        for setup in self.setups:
            odd = next((name for name in setup.ms if name not in known), None)
            if odd is not None:
                raise ValueError(f"{setup.name} was measured with {odd!r}, which is no network here")
            odd = next((name for name in setup.where if name not in setup.ms), None)
            if odd is not None:
                raise ValueError(f"{setup.name} remarks on {odd!r}, which it was not measured with")
        return self

    def network(self, name: str) -> Network:
        """Find a network by its name."""
        return next(network for network in self.networks if network.name == name)


@cache
def measurements() -> Measurements:
    """Read the measurements that tinyc ships."""
    return read(FOLDER)


def read(folder: Path) -> Measurements:
    """Read a folder of measurements: one table of every .toml in it.

    Raises:
        pydantic.ValidationError: a key or a value that does not fit.
    """
    table: dict[str, object] = {}
    for path in sorted(folder.glob("*.toml")):
        table |= tomllib.loads(path.read_text(encoding="utf-8"))
    return Measurements.model_validate_json(json.dumps(table), strict=True)
