"""Accuracy against kilobytes: the recipe's student in several sizes, each through to its int8 artifact under TFLM.

Run it as `python benchmarks/size_curve.py minilm-tiny`. Each size is a whole run of the recipe with another student;
the source and the soft labels come from the cache, and finished steps are not done again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tinyc.core import cache
from tinyc.report.record import Report
from tinyc.report.terminal import open_screen
from tinyc.run.finish import finish
from tinyc.run.opening import open_own_run
from tinyc.run.steps import Started, Stepped, steps
from tinyc.spec.load import load

SIZES = (
    {"width": 32, "inner": 64, "embedding": 16},
    {"width": 64, "inner": 128, "embedding": 32},
    {"width": 128, "inner": 256, "embedding": 64, "heads": 4},
)


def main() -> None:
    """Run every size, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="minilm-tiny")
    parser.add_argument("--epochs", type=int, help="of the distillation, instead of the recipe's")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    reports = [(size, run(options.recipe, size, options.epochs, options.out)) for size in SIZES]
    print("\n| width, depth, table | params | file | flash | arena | accuracy, float | accuracy, int8 under TFLM |")
    print("|---|---|---|---|---|---|---|")
    for size, report in reports:
        taught = next(step.after for step in report.steps if step.use == "distill")
        final = report.final
        name = f"{size['width']}, {size.get('depth', 2)}, {size['embedding']}"
        sizes = " | ".join(f"{value / 1024:.0f} KiB" for value in bytes_of(final))
        print(f"| {name} | {final.params:,} | {sizes} | {taught.accuracy:.2%} | {final.accuracy:.2%} |")


def bytes_of(final: object) -> list[int]:
    return [getattr(final, name) or 0 for name in ("file_bytes", "flash_bytes", "arena_bytes")]


def run(name: str, size: dict[str, int], epochs: int | None, out: Path) -> Report:
    """Run the recipe with another student."""
    sets = [f"pass.distill.student.{key}={value}" for key, value in size.items()]
    recipe = load(name, (*sets, *([f"pass.distill.epochs={epochs}"] if epochs else [])))
    began = time.monotonic()
    with open_own_run(recipe, out, cache.folder(), open_screen()) as opened:
        given = list(steps(opened))
        begun = next(each for each in given if isinstance(each, Started))
        done = [each for each in given if isinstance(each, Stepped)]
        return finish(opened, begun, [each.record for each in done], [each.done for each in done], began)


if __name__ == "__main__":
    main()
