"""What each option of `quantize` does to bytes, arena and accuracy: one run's network, quantized in many ways.

Run it as `python benchmarks/precision.py runs/resnet50-tiny`. The network that entered the run's `quantize` is
quantized after training (how = "ptq") with each option, stripped, put into weight tables where bits were chosen layer
by layer, and run over all test examples under TensorFlow Lite Micro; accuracies are compared with plain int8 on the
same examples.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyc import measure
from tinyc.core import cache
from tinyc.core.errors import UserError
from tinyc.measure import intervals
from tinyc.network.state import Flat
from tinyc.report.terminal import open_screen
from tinyc.run.finished import Quantized, open_quantized
from tinyc.spec.passes import PASSES, apply
from tinyc.tflite.write.strip import strip

PLAIN = "int8"
OPTIONS: dict[str, Mapping[str, Any]] = {
    PLAIN: {},
    'calibrate = "mse"': {"calibrate": "mse"},
    "per_channel_dense = true": {"per_channel_dense": True},
    "bias_correction": {"bias_correction": True},
    "equalize": {"equalize": True},
    "reestimate": {"reestimate": True},
    'activations = "int16"': {"activations": "int16"},
    'weights = "int4"': {"weights": "int4"},
    'weights = "int4", bias_correction': {"weights": "int4", "bias_correction": True},
}


@dataclass(frozen=True)
class Row:
    """One way to quantize; `predicted` is what precision = "auto" foretold, in bytes."""

    name: str
    measured: measure.Measurement
    predicted: int | None = None


def main() -> None:
    """Quantize in each way, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", default=Path("runs/resnet50-tiny"))
    parser.add_argument("--flash", nargs="*", default=["48 KiB", "32 KiB", "24 KiB"], help='of precision = "auto"')
    given = parser.parse_args()
    screen = open_screen()
    auto = {f'precision = "auto", {flash}': {"precision": "auto", "flash": flash} for flash in given.flash}
    with open_quantized(given.run, cache.folder(), screen) as made:
        tried = {**OPTIONS, **auto, **{f"{name}, bias_correction": {**keys, "bias_correction": True}
                                       for name, keys in auto.items()}}  # fmt: skip
        rows = [row for name, keys in tried.items() if (row := measured(made, name, keys))]
    print("\n| `quantize` | stripped file | predicted | arena | accuracy | against int8 (95 %, paired) |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(line(row, rows[0].measured))


def measured(made: Quantized, name: str, keys: Mapping[str, Any]) -> Row | None:
    """Quantize in one way and run the test examples; None, and the reason said, where it is refused."""
    context = made.run.context(made.index, made.net, "", (), task=made.net.task)
    try:
        outcome = apply(PASSES["quantize"].model_validate({"use": "quantize", "how": "ptq", **keys}), made.net, context)
    except UserError as error:
        print(f"{name}: refused: {error}")
        return None
    flat = Flat(strip(outcome.state.content), made.net.task)
    if "precision" in keys:
        flat = apply(PASSES["compact"].model_validate({"use": "compact"}), outcome.state, context).state
    found = measure.measure_flat(flat, made.run.dataset, made.pool, "tflm", made.run.progress)
    predicted = outcome.facts["precision"]["flash_predicted"] if "precision" in keys else None
    return Row(name, found, predicted)


def line(row: Row, plain: measure.Measurement) -> str:
    """One row of the table."""
    figures, correct = row.measured.ledger, row.measured.correct
    low, high = intervals.paired(correct, plain.correct)
    apart = float(correct.mean() - plain.correct.mean())
    change = f"{100 * apart:+.2f} pp ({100 * low:+.2f} to {100 * high:+.2f})" if row.measured is not plain else ""
    foretold = f"{row.predicted:,} B" if row.predicted else ""
    sizes = f"{figures.file_bytes:,} B | {foretold} | {figures.arena_bytes:,} B"
    return f"| {row.name} | {sizes} | {correct.mean():.2%} | {change} |"


if __name__ == "__main__":
    main()
