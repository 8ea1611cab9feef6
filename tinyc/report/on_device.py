"""What pages and terminal say of the recipe's device and of all runtimes."""

from __future__ import annotations

from collections.abc import Iterator

from tinyc.core import units
from tinyc.measure.figures import Latency
from tinyc.report.device_record import DeviceRecord, RuntimeRecord
from tinyc.report.kilobytes import Segment, Stack
from tinyc.report.record import Report
from tinyc.report.tables import Cells

LEGEND = ((1, "the model"), (6, "scratch memory of its kernels"), (5, "left of a model's share"), (7, "the rest"))
"""Places in the palette of the page, and what they stand for."""
VERDICTS = {"runs": "runs it", "reported": "runs it, but", "missing": "refuses it", "wrong": "computes it wrongly"}


def taken(report: Report) -> Cells:
    """List what the artifact takes of the device."""
    device = report.device
    rows = () if device is None else (flash_row(device), arena_row(device), latency_row(device))
    header = ("", "takes", "a model may have", "the board has", "of a model's share")
    return Cells(header, rows, frozenset(range(1, 5)))


def flash_row(device: DeviceRecord) -> tuple[str, ...]:
    """Give the flash."""
    return "flash", *amounts(device.flash_bytes, device.flash_room, device.flash_whole)


def arena_row(device: DeviceRecord) -> tuple[str, ...]:
    """Give the arena."""
    return "arena (RAM)", *amounts(device.arena_bytes, device.arena_room, device.arena_whole)


def latency_row(device: DeviceRecord) -> tuple[str, ...]:
    """Give the latency, which no board has a share of."""
    return "latency", latency(device.latency), "-", "-", "-"


def latency(found: Latency) -> str:
    """Spell a latency, the word estimate with every estimate."""
    if found.seconds is None or found.low is None or found.high is None:
        return "-"
    span = f"{units.show_latency(found.low)} to {units.show_latency(found.high)}"
    return f"estimate: {span}" if found.basis == "estimate" else f"{units.show_latency(found.seconds)} ({span})"


def amounts(size: int | None, room: int | None, whole: int | None) -> tuple[str, ...]:
    """Spell three sizes, and the share of the second that the first takes."""
    share = size / room if size is not None and room else None
    return (*(units.show(each, "bytes") for each in (size, room, whole)), units.show(share, "fraction"))


def stacks(report: Report) -> tuple[Stack, ...]:
    """Draw flash and RAM of the board as bars: the model, what its kernels ask, its share, the rest."""
    device = report.device
    if device is None:
        return ()
    bars = (
        stack("flash", (device.flash_bytes, 0), device.flash_room, device.flash_whole),
        stack("RAM", (device.arena_host_bytes, device.scratch_bytes), device.arena_room, device.arena_whole),
    )
    return tuple(bar for bar in bars if bar)


def stack(name: str, parts: tuple[int | None, int], room: int | None, whole: int | None) -> Stack | None:
    """Draw one bar; None where the board's size is not known or nothing was measured."""
    model, scratch = parts
    if model is None or not whole:
        return None
    used = model + scratch
    sizes = (model, scratch, max(0, (room or used) - used), max(0, whole - max(used, room or 0)))
    scale = sum(sizes)
    segments, at = [], 0.0
    for (colour, what), size in zip(LEGEND, sizes, strict=True):
        width = size / scale * 100
        if size:
            segments.append(Segment(round(at, 2), round(width, 2), colour, f"{what}: {units.show_bytes(size)}"))
        at += width
    return Stack(name, tuple(segments), f"{units.show_bytes(used)} of {units.show_bytes(whole)}", "")


def runtimes(report: Report) -> Cells:
    """List every runtime with its verdict, and why."""
    header = ("runtime", "as of", "what it makes of the artifact", "why, and what to write instead")
    found = ((each.title, each.read or "-", VERDICTS[each.verdict], "; ".join(each.why)) for each in report.runtimes)
    return Cells(header, tuple(found))


def sentences(report: Report) -> Iterator[str]:
    """Say in a sentence each, without its full stop, what the device takes and who runs the artifact."""
    if report.device:
        yield on(report.device)
    if report.runtimes:
        yield who_runs(report.runtimes)


def on(device: DeviceRecord) -> str:
    """Say what the artifact takes of the device."""
    flash, arena = units.show(device.flash_bytes, "bytes"), units.show(device.arena_bytes, "bytes")
    of_flash = f" of {units.show(device.flash_room, 'bytes')}" if device.flash_room else ""
    of_arena = f" of {units.show(device.arena_room, 'bytes')}" if device.arena_room else ""
    host = units.show(device.arena_host_bytes, "bytes")
    asked = f" ({host} measured on this host, {units.show_bytes(device.scratch_bytes)} asked by its kernels"
    assumed = f", that of {', '.join(device.assumed)} assumed" if device.assumed else ""
    took = latency(device.latency)
    told = f", latency {took}" if device.latency.seconds is not None else ""
    return f"on {device.title}: flash {flash}{of_flash}, arena {arena}{of_arena}{asked}{assumed}){told}"


def who_runs(found: tuple[RuntimeRecord, ...]) -> str:
    """Name the runtimes by what they make of the artifact, from what was read of them."""
    said = {"runs": "run it", "reported": "run it, with wrong results on record", "missing": "refuse it",
            "wrong": "compute it wrongly, without an error"}  # fmt: skip
    groups = ((each, [one.name for one in found if one.verdict == each]) for each in said)
    listed = "; ".join(f"{', '.join(names)} {said[verdict]}" for verdict, names in groups if names)
    return f"of {len(found)} runtimes, by their sources: {listed}"
