"""docs/report.md has every key of report.json, of the type that the code writes and reads, and no other."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from support import example

from tinyc.analysis.advice.remarks import Advice, Change, Remark
from tinyc.measure import Ledger
from tinyc.measure.figures import Latency
from tinyc.network.contract import Skipped
from tinyc.report import write
from tinyc.report.device_record import DeviceRecord, RuntimeRecord
from tinyc.report.record import Artifact, Report, SourceTime, StepRecord
from tinyc.report.views import Kilobytes, Layer, PairedDrop, Sample, Views
from tinyc.spec.bounds import Check, Measured
from tinyc.spec.metrics import bounded, figures

PAGE = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
RECORDS: Mapping[str, type[Any]] = {
    "Report": Report, "Step": StepRecord, "Ledger": Ledger, "Check": Check,
    "Device": DeviceRecord, "Latency": Latency, "Runtime": RuntimeRecord, "Skipped": Skipped, "Told": Remark,
    "Advice": Advice, "Change": Change, "Source time": SourceTime, "Artifact": Artifact, "Views": Views,
    "Layer": Layer, "Sample": Sample, "Paired drop": PairedDrop, "Measured": Measured, "Kilobytes": Kilobytes,
}  # fmt: skip
NAMES = {record: name for name, record in RECORDS.items()}
PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "null", Any: "any"}
# What the file has and the records have not.
MORE = {"Report": {"views": "Views"}, "Ledger": {"predicted": "list of text"}}


def section(name: str) -> str:
    return re.split(r"^## ", PAGE.split(f"\n## {name}\n")[1], flags=re.MULTILINE)[0]


def described(name: str) -> dict[str, str]:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", section(name), re.MULTILINE)
    assert all(meaning.strip() for _, _, meaning in rows)
    return {key: kind for key, kind, _ in rows}


def spelled(kind: Any) -> str:
    """A type of Python as JSON has it."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(map(json.dumps, parts))
    if origin in (Union, types.UnionType):
        return " or ".join(map(spelled, parts))
    if origin is tuple:
        return f"list of {spelled(parts[0])}"
    if origin is not None:
        inner = spelled(parts[1])
        return f"table of ({inner})" if " or " in inner else f"table of {inner}"
    return PLAIN[kind] if kind in PLAIN else NAMES[kind]


@pytest.mark.parametrize("name", RECORDS)
def test_every_key_is_described_with_its_type(name: str) -> None:
    hints = get_type_hints(RECORDS[name])
    kinds = {("pass" if each.name == "use" else each.name): spelled(hints[each.name]) for each in fields(RECORDS[name])}
    assert described(name) == kinds | MORE.get(name, {})


def test_every_record_has_its_section() -> None:
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == list(RECORDS)


def test_the_file_has_the_keys_of_the_page() -> None:
    found = json.loads(write.to_json(example.REPORT, example.VIEWS))
    assert set(found) == set(described("Report"))
    assert {key for step in found["steps"] for key in step} == set(described("Step"))
    for ledger in (found["source"], found["final"], *(step["after"] for step in found["steps"])):
        assert set(ledger) == set(described("Ledger"))


def test_what_is_compared_and_every_metric_with_its_unit_is_named() -> None:
    (row,) = [line for line in section("Step").splitlines() if line.startswith("| `delta` ")]
    assert tuple(re.findall(r"`(\w+)`", row.partition("`before`: ")[2])) == tuple(each.figure for each in figures())
    units = dict(re.findall(r"^\| `(\w+)` \| (\w+)[^|]*\|$", section("Check"), re.MULTILINE))
    known = {name: row.unit for name, row in bounded().items()}
    assert units == {name: "fraction" if unit == "pp" else unit for name, unit in known.items()}
