"""TFMOT as its guides say against a recipe: the same network, data and epochs, in one run.

Run it as `python benchmarks/against_tfmot.py`. A ResNet-8 is trained on the labels once, and kept in --folder. From
there TensorFlow's Model Optimization Toolkit prunes to 80 % by its polynomial schedule, trains on under
prune-preserving quantization (PQAT), and converts by default: full int8 with representative data. The recipe removes
channels, clusters, trains under int8 rounding, compacts and exports. Both train for --epochs in all, on the labels,
with the same batches, augmentation, optimizer and learning rates, and both artifacts run on the same test images under
TensorFlow Lite Micro.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tinyc import measure
from tinyc.core.progress import Progress
from tinyc.core.quiet import hushed
from tinyc.data.inputs import inputs
from tinyc.measure import intervals
from tinyc.network import backend
from tinyc.network.state import Flat
from tinyc.report.terminal import open_screen
from tinyc.run import step_records
from tinyc.run.opening import Run, open_own_run
from tinyc.run.steps import Started, StepRunner, steps
from tinyc.spec.load import load
from tinyc.spec.training import FitOptions
from tinyc.tasks.classification.objectives import labels
from tinyc.training.fit import fit

ROOT = Path(__file__).resolve().parents[1]
SPARSITY = (0.5, 0.8)
"""Where TFMOT's guide lets its polynomial schedule begin, and where it ends here."""
CUT_RATE, QUANTIZED_RATE, BATCH, AUGMENT = 1e-3, 2e-4, 128, ("crop", "flip")
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
RECIPE = """
name = "against-tfmot"
seed = {seed}

[source]
build = "{root}/models/resnet.py:resnet8"
train = {{ epochs = {start}, batch = 128, learning_rate = 3e-3, augment = ["crop", "flip"] }}

[data]
{data}

[[pass]]
use = "prune"
how = "channels"
fraction = {fraction}
epochs = {cut}
batch = 128
learning_rate = 1e-3
augment = ["crop", "flip"]

[[pass]]
use = "cluster"
clusters = {clusters}
epochs = {tables}
batch = 128
learning_rate = 1e-3
augment = ["crop", "flip"]

[[pass]]
use = "quantize"
how = "qat"
epochs = {aware}
batch = 128
learning_rate = 2e-4
augment = ["crop", "flip"]

[[pass]]
use = "compact"

[[pass]]
use = "export"
formats = ["tflite"]

[[pass]]
use = "verify"
"""


@dataclass(frozen=True)
class Row:
    """One artifact; the difference is its share of right answers minus that of TFMOT's, with its 95 % interval."""

    name: str
    file_bytes: int
    gzip_bytes: int
    arena_bytes: int | None
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    difference: tuple[float, float, float] | None = None


def main() -> None:
    """Train both, measure both, and print the table with the verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/against-tfmot"), help="the start network and runs")
    parser.add_argument("--start", type=int, default=16, help="epochs of the network that both begin with")
    parser.add_argument("--epochs", type=int, default=24, help="epochs of each way, all of its trainings together")
    parser.add_argument("--fraction", type=float, default=0.2, help="share of the channels that the recipe removes")
    parser.add_argument("--clusters", type=int, default=16, help="values of each channel that the recipe leaves")
    parser.add_argument("--train", type=int, help="take only so many training images, for a try")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    path = write_recipe(options)
    shown = open_screen()
    with open_own_run(load(str(path)), options.folder, options.folder / "cache", shown) as run:
        ours = list(by_recipe(run))
        began = time.monotonic()
        theirs = by_tfmot(run, shares(options.epochs, 3), shown)
        shown.say(f"TFMOT's way took {time.monotonic() - began:.0f} s")
        rows = compared(run, theirs, ours)
    show(rows, options)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def shares(epochs: int, parts: int) -> tuple[int, int]:
    """Divide epochs: the last of so many parts trains under int8 rounding, one epoch at least where there is one."""
    aware = max(1, epochs // parts) if epochs else 0
    return epochs - aware, aware


def write_recipe(options: argparse.Namespace) -> Path:
    """Write the recipe, and the data where only a part of it is asked for."""
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    floats, aware = shares(options.epochs, 4)
    cut, tables = shares(floats, 3)
    text = RECIPE.format(
        root=ROOT, data=data_section(folder, options.train), start=options.start, fraction=options.fraction,
        clusters=options.clusters, cut=cut, tables=tables, aware=aware, seed=options.seed,
    )  # fmt: skip
    path: Path = folder / "against-tfmot.toml"
    path.write_text(text)
    return path


def data_section(folder: Path, count: int | None) -> str:
    """Name the shipped data, or write its first training images, and all test images, beside the recipe."""
    if count is None:
        return 'name = "fashion-mnist"'
    with np.load(ROOT / "tinyc" / "data" / "embedded" / "fashion-mnist.npz") as arrays:
        parts = {name: arrays[name][: count if name.endswith("train") else None] for name in ARRAYS}
    np.savez(folder / f"first-{count}.npz", **parts)
    return f'path = "first-{count}.npz"\nscale = {1 / 255}'


def by_recipe(run: Run) -> Iterator[tuple[str, measure.Measurement]]:
    """Do the recipe's passes; give the start network, and the artifact that the last of them leaves."""
    done = [each.source if isinstance(each, Started) else each.done for each in steps(run)]
    for name, each in (("start, float", done[0]), ("the recipe", done[-1])):
        yield name, step_records.measurement(each, run.dataset)


def by_tfmot(run: Run, epochs: tuple[int, int], shown: Progress) -> measure.Measurement:
    """Prune, train on under PQAT, convert; measure the file under TensorFlow Lite Micro."""
    house, dataset = StepRunner(run), run.dataset
    source = house.source()
    context = run.context(1, source, run.keys.source, ())
    sparse = pruned(source.clone().model, epochs[0], context)
    aware = preserved(sparse, epochs[1], context)
    content = converted(aware, inputs(dataset.calibration.x, dataset.task))
    (run.folder.path / "tfmot.tflite").write_bytes(content)
    return measure.measure_flat(Flat(content, dataset.task), dataset, run.pool, "tflm", shown)


def pruned(model: Any, epochs: int, context: Any) -> Any:
    """`prune_low_magnitude` with a polynomial schedule over the whole training, then `strip_pruning`."""
    sparsity = backend.tfmot().sparsity.keras
    last = max(1, epochs * (len(context.data.train) // BATCH))
    # The guide's 100 steps between two updates of the masks, fewer where the whole training is short.
    schedule = sparsity.PolynomialDecay(*SPARSITY, begin_step=0, end_step=last, frequency=max(1, min(100, last // 10)))
    wrapped = sparsity.prune_low_magnitude(model, pruning_schedule=schedule)
    train(wrapped, epochs, CUT_RATE, context, "TFMOT: prune", [sparsity.UpdatePruningStep()])
    return sparsity.strip_pruning(wrapped)


def preserved(model: Any, epochs: int, context: Any) -> Any:
    """Annotate all layers, apply the prune-preserving scheme, and train on."""
    quantization = backend.tfmot().quantization.keras
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
        default_8bit_prune_preserve_quantize_scheme as scheme,
    )

    with hushed():
        annotated = quantization.quantize_annotate_model(model)
        wrapped = quantization.quantize_apply(annotated, scheme.Default8BitPrunePreserveQuantizeScheme())
    train(wrapped, epochs, QUANTIZED_RATE, context, "TFMOT: PQAT", [])
    return wrapped


def train(model: Any, epochs: int, rate: float, context: Any, title: str, callbacks: list[Any]) -> None:
    """Train as the recipe's passes do."""
    options = FitOptions(epochs=epochs, batch=BATCH, learning_rate=rate, augment=AUGMENT)
    fit(model, options, labels(context.seed), context, title, callbacks=callbacks)


def converted(model: Any, samples: Any) -> bytes:
    """Convert as TensorFlow's guide to full integer quantization does."""
    lite = backend.tensorflow().lite
    with hushed():
        converter = lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
        converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = backend.tensorflow().int8
        return bytes(converter.convert())


def compared(run: Run, theirs: measure.Measurement, ours: list[tuple[str, measure.Measurement]]) -> list[Row]:
    """Put all beside TFMOT's, on the same test images."""
    found = [("TFMOT, 80 % + PQAT", theirs), *ours]
    return [row(name, each, None if each is theirs else theirs) for name, each in found]


def row(name: str, found: measure.Measurement, against: measure.Measurement | None) -> Row:
    figures = found.ledger
    apart = None
    if against is not None:
        mean = float(found.correct.mean() - against.correct.mean())
        apart = (mean, *intervals.paired(found.correct, against.correct))
    return Row(
        name, figures.file_bytes or 0, figures.gzip_bytes or 0, figures.arena_bytes,
        float(found.correct.mean()), figures.accuracy_low or 0.0, figures.accuracy_high or 0.0, apart,
    )  # fmt: skip


def show(rows: list[Row], options: argparse.Namespace) -> None:
    """Print the table, and whether the goal is met: half the bytes, and no loss beyond the interval."""
    table = Table(title=f"ResNet-8, {options.epochs} epochs each, seed {options.seed}")
    for title in ("", "file B", "gzip B", "arena B", "accuracy % (95 %)", "against TFMOT, pp"):
        table.add_column(title, justify="left" if not title else "right")
    for each in rows:
        table.add_row(
            each.name, f"{each.file_bytes:,}", f"{each.gzip_bytes:,}",
            "-" if each.arena_bytes is None else f"{each.arena_bytes:,}",
            f"{100 * each.accuracy:.2f} ({100 * each.accuracy_low:.1f}-{100 * each.accuracy_high:.1f})",
            points(each.difference),
        )  # fmt: skip
    console = Console(width=100)
    console.print(table)
    console.print(verdict(rows[0], rows[-1]))


def points(difference: tuple[float, float, float] | None) -> str:
    if difference is None:
        return ""
    mean, low, high = (100 * value for value in difference)
    return f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"


def verdict(theirs: Row, ours: Row) -> str:
    """Say how many of TFMOT's bytes the recipe needs, and at what accuracy."""
    share = ours.file_bytes / theirs.file_bytes
    high = ours.difference[2] if ours.difference else 0.0
    equal = "at equal accuracy or better" if high >= 0 else "at LOWER accuracy"
    met = "met" if share <= 0.5 and high >= 0 else "MISSED"
    return f"{share:.1%} of TFMOT's .tflite bytes {equal}: the goal of half is {met}"


if __name__ == "__main__":
    main()
