"""What `tinyc bench` prints: a table of a width of 80 columns, with what was measured and how."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from tinyc.core import units
from tinyc.measure.bench_bounds import shown
from tinyc.measure.timings import Result, Timings
from tinyc.report.columns import columns
from tinyc.report.plain import plain
from tinyc.spec.bounds import Check

WIDTH = 80
BUSY = 1.0
HEAD = ("threads", "median", "5 %", "95 %", "min", "frames/s", "cold", "load")


def text(path: str, timings: Timings, checks: Sequence[Check]) -> str:
    """Write the table of one measurement."""
    starts = len(timings.results[0].cold_seconds)
    processes = f"medians of {starts} processes" if starts > 1 else "of one process"
    best = counted(timings.fastest.threads, "thread")
    lines = [plain(path), *wrapped(where(timings)), *wrapped(kernels(timings)), *wrapped(given(timings)), ""]
    lines += (f"  {line}" for line in columns([HEAD, *map(row, timings.results)], right=range(len(HEAD))))
    lines += ["", *wrapped(f"load: opening the file; cold: the first inference after it; {processes}")]
    lines += wrapped("times of this interpreter on that machine; a microcontroller has others")
    lines += busy(timings)
    return "\n".join([*lines, *(line for check in checks for line in wrapped(f"{verdict(check)} with {best}"))])


def where(timings: Timings) -> str:
    """Name the machine and the day."""
    machine = timings.machine
    processor = "" if machine.processor == machine.name else f", {machine.processor}"
    cores = counted(machine.cores, "core")
    about = f"{machine.architecture}, {cores}, {machine.system}"
    return plain(f"measured on {machine.name}{processor} ({about}), {timings.date}")


def busy(timings: Timings) -> Iterator[str]:
    """Say that other programs were at work in the minute before."""
    load = timings.machine.load_average
    if load >= BUSY:
        said = f"it was busy: a load of {load:.1f} on {counted(timings.machine.cores, 'core')} in the minute before"
        yield from wrapped(f"{said}; measure again when nothing else runs")


def kernels(timings: Timings) -> str:
    """Name the interpreter, and say whether it told that XNNPACK works for it."""
    told = {each.xnnpack for each in timings.results}
    how = {frozenset({True}): "with XNNPACK", frozenset({False}): "without XNNPACK"}
    return plain(f"{timings.runtime}, {how.get(frozenset(told), 'in part with XNNPACK')}")


def given(timings: Timings) -> str:
    """Say what the network was given, and how often."""
    inputs = ", ".join(f"{each.values} {each.type} {list(each.shape)}" for each in timings.inputs) or "no input"
    runs = sorted({each.warm.runs for each in timings.results})
    return plain(f"{inputs}; {' to '.join(f'{each:,}' for each in dict.fromkeys((runs[0], runs[-1])))} warm inferences")


def row(each: Result) -> tuple[str, ...]:
    """Write one number of threads."""
    warm = (each.warm.median, each.warm.p5, each.warm.p95, each.warm.min)
    frames = units.three_digits(1 / each.warm.median)
    return (str(each.threads), *map(units.show_latency, warm), frames, *map(units.show_latency, (each.cold, each.load)))


def verdict(check: Check) -> str:
    """Say whether a bound is met."""
    got = "-" if check.got is None else shown(check.metric, check.got)
    return f"{check.metric} {check.bound}: {'met' if check.met else 'missed'}, {got}"


def counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def wrapped(line: str) -> Iterator[str]:
    yield from textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")
