"""What `tinyc boards` and `tinyc runtimes` print, within 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from tinyc.core import units
from tinyc.devices.board import Bank, Board, Region
from tinyc.devices.runtime import Fault, Runtime, Scratch
from tinyc.devices.table import Sourced
from tinyc.report.columns import columns
from tinyc.report.plain import plain

WIDTH = 80
UNKNOWN = "-"
LEFT_OUT = {"name", "title", "sources", "operators", "scratch", "faults"}


def listed(found: Sequence[Sourced]) -> str:
    """List boards, or runtimes, a line each."""
    boards = [each for each in found if isinstance(each, Board)]
    runtimes = [each for each in found if isinstance(each, Runtime)]
    rows = board_rows(boards) if boards else runtime_rows(runtimes)
    return "\n".join(columns(list(rows), right=(2, 3) if boards else (2,)))


def board_rows(boards: Sequence[Board]) -> Iterator[tuple[str, ...]]:
    """Give the name of each board, its core, what a model may have of its flash and RAM, and its runtime."""
    yield "board", "core", "flash", "RAM", "runtime"
    for each in boards:
        yield each.name, each.core, size(each.model_flash_bytes), size(each.model_ram_bytes), each.runtime


def runtime_rows(runtimes: Sequence[Runtime]) -> Iterator[tuple[str, ...]]:
    """Give the name of each runtime, what was read of it, and what it can do."""
    yield "runtime", "read", "operators", "tables", "per-channel Dense", "int4"
    for each in runtimes:
        yield (
            each.name, each.read or UNKNOWN, str(len(each.operators)), known(each.has_tables),
            each.per_channel_dense or UNKNOWN, UNKNOWN if each.int4 is None else known(bool(each.int4)),
        )  # fmt: skip


def described(each: Sourced) -> str:
    """Describe one board or runtime: every figure, and where it was read."""
    assert isinstance(each, Board | Runtime)
    rows = [(label(key), figure(key, getattr(each, key)), each.source(key)) for key in shown_keys(each)]
    lines = wrapped("", f"{each.name}: {each.title}")
    for key, text, source in rows:
        lines += wrapped(f"  {key:20}", text)
        lines += wrapped(" " * 22, f"[{source}]") if source and text != UNKNOWN else []
    if isinstance(each, Runtime):
        lines += list(of_runtime(each))
    return "\n".join(lines)


def label(key: str) -> str:
    """Spell a key for people."""
    return key.removesuffix("_bytes").replace("_", " ")


def figure(key: str, found: Any) -> str:
    """Spell the value of a key: addresses as hexadecimal numbers, sizes with their exact bytes."""
    if isinstance(found, int) and key.endswith("address"):
        return f"{found:#x}"
    if isinstance(found, int) and key.endswith("bytes"):
        return f"{units.show_bytes(found)} ({found:,} B)"
    return value(found)


def shown_keys(each: Board | Runtime) -> list[str]:
    """List the keys that are shown as they are."""
    return [key for key in type(each).model_fields if key not in LEFT_OUT]


def of_runtime(runtime: Runtime) -> Iterator[str]:
    """Describe the operators of a runtime, what its kernels ask, and what is on record against it."""
    yield "  operators, with the types of values that each takes"
    by_types: dict[str, list[str]] = {}
    for name, taken in runtime.operators.items():
        by_types.setdefault(", ".join(taken), []).append(name)
    for types, names in sorted(by_types.items(), key=lambda each: -len(each[1])):
        yield from wrapped("    ", f"{types}: {', '.join(names)}")
    source = runtime.source("operators")
    yield from wrapped("    ", f"[{source}]") if source else ()
    for rule in runtime.scratch:
        yield from wrapped("  scratch             ", value(rule))
    for fault in runtime.faults:
        yield from wrapped("  wrong result        ", value(fault))


def value(found: Any) -> str:
    """Spell one value for people."""
    if isinstance(found, tuple):
        return "; ".join(map(value, found)) if found else "none"
    if isinstance(found, Bank):
        place = "" if found.address is None else f" at {found.address:#x}"
        return f"{found.name} {size(found.bytes)}{place}{', external' if found.external else ''}"
    if isinstance(found, Region):
        return f"{size(found.bytes)} at {found.address:#x}, in blocks of {size(found.erase_bytes)}"
    if isinstance(found, Scratch):
        asked = found.formula or f"{units.show(found.share, 'fraction')} of inputs and outputs, assumed"
        return f"{', '.join(found.operators)}: {asked}{on(found.cores)} [{found.source}]"
    if isinstance(found, Fault):
        return f"{', '.join(found.operators)}{on(found.cores)}: {found.what} ({found.state}) [{found.source}]"
    return known(found)


def on(cores: Sequence[str]) -> str:
    """Say on which cores something holds; nothing where it does on all."""
    return f" on {', '.join(cores)}" if cores else ""


def known(found: Any) -> str:
    """Spell a number, a word or a switch; a dash where no source tells."""
    if found is None:
        return UNKNOWN
    if isinstance(found, bool):
        return "yes" if found else "no"
    return f"{found:g}" if isinstance(found, float) else f"{found:,}" if isinstance(found, int) else str(found)


def size(found: int | None) -> str:
    """Spell bytes."""
    return UNKNOWN if found is None else units.show(found, "bytes")


def wrapped(label: str, text: str) -> list[str]:
    """Write a label and a text beside it, in lines of the width."""
    return textwrap.wrap(plain(text), WIDTH, initial_indent=label, subsequent_indent=" " * len(label))
