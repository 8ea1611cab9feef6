"""The lines of a run: golden text at 80 and at 120 columns, and what happens to long or hostile names."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text
from support import example

from tinyc.network.contract import Skipped
from tinyc.report import lines

GOLDEN = Path(__file__).parent / "golden"


def run_lines(width: int) -> Iterator[Text]:
    report = example.REPORT
    yield from lines.title(report.recipe, example.VIEWS.description, report.seed)
    yield from lines.source(report.source, report.source_time, report.told, width)
    for step in report.steps:
        yield from lines.step(step, width)
    yield from lines.end(report, width)


@pytest.mark.parametrize("width", [80, 120])
def test_a_run_reads_as_it_did(width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    for line in run_lines(width):
        console.print(line)
    shown = console.export_text()
    assert shown == (GOLDEN / f"terminal-{width}.txt").read_text()
    assert max(map(len, shown.splitlines())) <= width


def test_sizes_just_under_a_mebibyte_keep_the_columns() -> None:
    wide = replace(example.PRUNED, file_bytes=1_048_000, gzip_bytes=1_030_000)
    usual, long = (next(lines.step(replace(example.STEPS[2], after=after), 80)) for after in (example.PRUNED, wide))
    assert "1,023 KiB" in long.plain
    assert long.plain.index("88.18 %") == usual.plain.index("88.18 %")


def test_unmeasured_figures_are_dashes_and_never_met() -> None:
    empty = replace(example.EXPORTED, accuracy=None, file_bytes=None)
    step = replace(example.STEPS[2], after=empty, delta={**example.STEPS[2].delta, "accuracy": None})
    assert next(lines.step(step, 80)).plain.split() == [
        "3",
        "quantize",
        "70.1",
        "k",
        "-",
        "65.3",
        "KiB",
        *"---",
        "48",
        "s",
    ]
    end = [line.plain for line in lines.end(example.REPORT, 80)]
    assert any(line.split() == ["flash", "<=", "96", "KiB", "not", "measured", "NO"] for line in end)


def test_names_cannot_steer_the_terminal() -> None:
    step = replace(example.STEPS[0], skipped=(Skipped("\x1b[2Jconv\n[red]", "why\x07"),) * 5)
    shown = [line.plain for line in lines.step(step, 80)]
    assert all(line.isprintable() for line in shown)
    assert sum("conv" in line for line in shown) == lines.SKIPS_SHOWN
    assert shown[-1].strip() == "left alone: 2 more, listed in the report"
