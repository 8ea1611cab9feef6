"""The report's files: report.json, report.md and report.html, each put in place whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyc.core import files, limits, run_folder
from tinyc.core.errors import MachineError, UserError
from tinyc.report import html, markdown
from tinyc.report.record import SCHEMA, Report
from tinyc.report.schema import REMEDY, finite
from tinyc.report.views import Views

NAME = "report.json"


def to_json(report: Report, views: Views | None = None) -> str:
    """Write report.json's text: the schema's keys, then "views"; numbers that JSON cannot hold become null."""
    table = report.to_json()
    if views is not None:
        table["views"] = views.to_json()
    return json.dumps(finite(table), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def write_all(report: Report, views: Views | None, folder: Path) -> tuple[Path, ...]:
    """Write all three files into the run folder and give their paths; each appears whole or not at all.

    Raises:
        MachineError: the folder cannot be written (full disk, no permission).
    """
    pages = {
        "report.md": markdown.render(report, views),
        "report.html": html.render(report, views),
        # Last: a folder with a report.json has the pages too.
        NAME: to_json(report, views),
    }
    for name, text in pages.items():
        try:
            run_folder.replace(folder / name, text.encode("utf-8", "replace"))
        except OSError as error:
            problem = f"cannot be written: {error.strerror or error}"
            raise MachineError(str(folder / name), problem, "make room or choose another folder by --out") from error
    return tuple(folder / name for name in pages)


def read_report(path: Path) -> tuple[Report, Views | None]:
    """Read a run's report from its folder or from the file itself.

    Raises:
        UserError: there is no report, it is damaged, or it has another schema; names the file.
        MachineError: it cannot be read.
    """
    file = path / NAME if path.is_dir() else path
    table = _table(file)
    schema = table.get("schema")
    if schema != SCHEMA:
        problem = f"has schema {json.dumps(schema)}; this tinyc reads schema {SCHEMA}"
        raise UserError(
            str(file), problem, "run the recipe again with this tinyc, or read it with the one that wrote it"
        )
    views = table.pop("views", None)
    report = Report.from_json(table, str(file))
    return report, None if views is None else Views.from_json(views, str(file))


def _table(file: Path) -> dict[str, Any]:
    if not files.exists(file):
        remedy = "give the folder of a finished run, e.g. runs/resnet50-tiny"
        raise UserError(str(file), "there is no report here", remedy)
    content = files.read(file, limits.JSON_BYTES)
    try:
        table = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UserError(str(file), f"is damaged: {error}", REMEDY) from error
    if not isinstance(table, Mapping):
        raise UserError(str(file), "is not a report: a JSON object is needed", REMEDY)
    return dict(table)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
