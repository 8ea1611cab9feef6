"""What is measured of a state: one row a figure or a bound on one; ledgers, verdicts, reports and plans follow it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tinyc.core.units import Unit

How = Literal["figure", "reduction", "drop", "worst class drop", "bandwidth", "latency", "fps"]
"""How a metric comes out of a state and the one that it is held against; `measure.judging` has a function for each.

figure              the figure itself, with its interval where the ledger has its `_low` and `_high`
reduction           the share of the figure that went
drop                the figure before minus the figure now, with the paired interval on the same examples
worst class drop    the largest drop of a class's recall, with that class's paired interval
bandwidth           the share of the sensor's bytes that need not leave the device
latency, fps        of the artifact on the recipe's board: measured there, else the slow end of an estimate
"""


@dataclass(frozen=True)
class Metric:
    """One row.

    Attributes:
        name: what a recipe calls it.
        unit: of the value, in which a bound is read too.
        better: whether less or more of it is what people want.
        figure: the figure of the ledger that it is about.
        how: how it is read.
        label: what reports call the figure; "" where another row has it, or it is no figure of the ledger's table.
        column: what the terminal's table calls it, where it has a column.
        bounded: whether a recipe may bound it.
    """

    name: str
    unit: Unit
    better: Literal["less", "more"]
    figure: str
    how: How = "figure"
    label: str = ""
    column: str = ""
    bounded: bool = True


LATENCY = "latency_seconds"
"""The figure behind latency and fps: it belongs to a board, and stands in no ledger."""
METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric("params", "count", "less", "params", label="parameters", column="params"),
        Metric("params_reduction", "fraction", "more", "params", "reduction"),
        Metric("nonzero_params", "count", "less", "nonzero_params", label="non-zero parameters", bounded=False),
        Metric("macs", "count", "less", "macs", label="MACs per inference", column="MACs"),
        Metric("macs_reduction", "fraction", "more", "macs", "reduction"),
        Metric("weights", "bytes", "less", "weight_bytes", label="weight bytes", bounded=False),
        Metric("metadata", "bytes", "less", "metadata_bytes", label="metadata bytes", bounded=False),
        Metric("file", "bytes", "less", "file_bytes", label=".tflite file", column="file"),
        Metric("file_reduction", "fraction", "more", "file_bytes", "reduction"),
        Metric("gzip", "bytes", "less", "gzip_bytes", label="after gzip", column="gzip", bounded=False),
        Metric("flash", "bytes", "less", "flash_bytes", label="flash", column="flash"),
        Metric("arena", "bytes", "less", "arena_bytes", label="arena (RAM)", column="arena"),
        Metric("accuracy", "fraction", "more", "accuracy", label="accuracy", column="accuracy"),
        Metric("accuracy_drop", "pp", "less", "accuracy", "drop"),
        Metric("worst_class_drop", "pp", "less", "accuracy", "worst class drop"),
        Metric("latency", "seconds", "less", LATENCY, "latency"),
        Metric("fps", "count", "more", LATENCY, "fps"),
        Metric("bandwidth_reduction", "fraction", "more", "sent_bytes_per_second", "bandwidth"),
    )
}


def bounded() -> dict[str, Metric]:
    """Give what a recipe may bound, by name."""
    return {name: row for name, row in METRICS.items() if row.bounded}


def figures() -> Iterator[Metric]:
    """Give the rows of the ledger's figures, in the order of its tables."""
    return (row for row in METRICS.values() if row.label)


def unit_of(name: str) -> Unit:
    """Give the unit of a metric, or of a figure of the ledger; a name nobody knows is a count."""
    known = {row.figure: row.unit for row in figures()} | {row.name: row.unit for row in METRICS.values()}
    return known.get(name, "count")
