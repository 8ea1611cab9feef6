"""`tinyc compare`: two finished runs beside each other."""

from __future__ import annotations

from pathlib import Path

from tinyc.core import streams
from tinyc.report.compare import compare as beside
from tinyc.report.compare import text, to_json
from tinyc.report.write import read_report
from tinyc.run.commands.report import say_outdated


def compare(first: Path, second: Path, as_json: bool) -> None:
    """Show how two runs differ."""
    (one, views_one), (two, views_two) = read_report(first), read_report(second)
    for found, run in ((one, first), (two, second)):
        say_outdated(found, run if run.is_dir() else run.parent, streams.note)
    rows = beside(one, two, views_one, views_two)
    if as_json:
        streams.result(to_json(rows))
    else:
        streams.page(text(rows, (str(first), str(second))))
