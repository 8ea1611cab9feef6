"""What `tinyc inspect` prints: sections of a width of 80 columns."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from tinyc.analysis.inspection import Inspection, constant_row
from tinyc.core import units
from tinyc.core.spelling import short
from tinyc.measure import uncounted
from tinyc.report.columns import columns
from tinyc.report.plain import plain
from tinyc.tflite import dense_scales
from tinyc.tflite.read import operators
from tinyc.tflite.read.description import Description, Tensor
from tinyc.tflite.read.lifetimes import Arena, Lifetime
from tinyc.tflite.read.quantization import dequantize

WIDTH = 80
TENSORS_SHOWN = 20
LIVES_SHOWN = 24
NAME_WIDTH = 18
PICTURE_WIDTH = 48
EIGHTHS = " ▁▂▃▄▅▆▇█"


def text(found: Inspection) -> str:
    """Write the whole description."""
    sections = (
        head(found), kinds(found), tensors(found), savings(found), arena(found), layers(found),
    )  # fmt: skip
    return "\n\n".join("\n".join(section) for section in sections if section)


def head(found: Inspection) -> list[str]:
    """Return the figures of the whole file."""
    described, size = found.described, units.show_bytes
    names = Counter(op.name for op in described.ops)
    host = "not measured"
    if found.arena_bytes:
        host = f"{size(found.arena_bytes)} ({found.arena_bytes:,} B), the least for TensorFlow Lite Micro on this host"
    rows = [
        ("file", f"{size(described.file_bytes)} ({described.file_bytes:,} B), gzip {size(found.gzip_bytes)}"),
        ("weights", f"{size(described.weight_bytes)}, all else {size(described.metadata_bytes)}"),
        ("parameters", parameters(described)),
        ("MACs", macs(described)),
        ("arena", host),
        ("ops", ", ".join(f"{name} x{count}" for name, count in names.items())),
        *(("input", interface(each)) for each in described.inputs),
        *(("output", interface(each)) for each in described.outputs),
    ]
    lines = [plain(found.path)]
    for name, value in rows:
        lines += wrapped(f"  {name:11} ", plain(value), 14)
    lines += [line for name, said in verdicts(found) for line in wrapped(f"  {name}: ", plain(said), 4)]
    firmware = dense_scales.sentence(dense_scales.layers(described))
    return [*lines, *wrapped("  ", plain(firmware), 4)] if firmware else lines


def parameters(described: Description) -> str:
    """Return how many, and what may hold more."""
    unread = operators.opaque(described)
    beside = f"; what {', '.join(unread)} reads is not counted" if unread else ""
    return f"{described.params:,}, of which {described.nonzero_params:,} are not zero{beside}"


def macs(described: Description) -> str:
    """Return how many, or which operators have no formula."""
    if described.macs is None:
        return f"- ({uncounted(described.uncounted)})"
    return f"{described.macs:,} per inference"


def verdicts(found: Inspection) -> Iterator[tuple[str, str]]:
    """Say what does not run the file, and why."""
    if found.refusal:
        yield "does not run", found.refusal
    if found.unmeasured:
        yield "not measured", found.unmeasured
    if found.undriven:
        runs = "" if found.refusal or found.unmeasured else "TensorFlow Lite Micro runs it, but it "
        asked = "verify and predict take one input, of a batch of 1, and one output"
        yield "not for verify and predict", f"{runs}{found.undriven}; {asked}"


def interface(each: Tensor) -> str:
    """Shape, type and quantization of an input or output."""
    shown = f"{each.dtype} {list(each.shape)}"
    if not each.scales:
        return shown
    low, high = dequantize(np.array([-128, 127], np.int8), each) if each.dtype == "int8" else (None, None)
    reach = f", real values {low:.4g} to {high:.4g}" if low is not None else ""
    return f"{shown}, scale {each.scales[0]:.6g}, zero point {each.zero_points[0] if each.zero_points else 0}{reach}"


def kinds(found: Inspection) -> list[str]:
    """Write one bar a kind of bytes; together they are the file."""
    total, most = found.described.file_bytes, max(found.kinds.values())
    lines = ["Bytes by kind: every byte of the file, counted once"]
    for kind, size in found.kinds.items():
        lines.append(f"  {kind:22} {size:>11,}  {size / total:>7.1%}  {bar(size / most, 30)}".rstrip())
    return [*lines, f"  {'together':22} {sum(found.kinds.values()):>11,}"]


def tensors(found: Inspection) -> list[str]:
    """Write one line a stored tensor, the largest first."""
    stored = [pair for pair in zip(found.constants, found.varieties, strict=True) if pair[0].bytes]
    if not stored:
        return []
    rows: list[tuple[str, ...]] = [("bytes", "share", "type", "shape", "values", "zeros", "of")]
    for constant, count in stored[:TENSORS_SHOWN]:
        where = constant_row(found.described, constant)
        shape = "x".join(map(str, where["shape"])) or "one number"
        different = "?" if count is None else f"{count.distinct:,}"
        if count and (count.per_channel or 0) > 1:
            different += f" ({count.per_channel:,})"
        zeros = "?" if count is None else f"{count.zeros / max(1, count.elements):.0%}"
        share, reader = f"{where['share']:.1%}", "bias" if constant.role == "biases" else plain(constant.op)
        of = f"{plain(constant.layer)}, {reader}"
        rows.append((f"{constant.bytes:,}", share, where["dtype"], shape, different, zeros, of))
    title = "Bytes by tensor: values are the different ones, in brackets most in one channel"
    lines = [title, *laid_out(rows, right={0, 1, 4, 5})]
    rest = stored[TENSORS_SHOWN:]
    if rest:
        lines.append(f"  {len(rest)} smaller: {sum(each.bytes for each, _ in rest):,} B together; all with --json")
    return lines


def savings(found: Inspection) -> list[str]:
    """Write one line a technique."""
    rows: list[tuple[str, ...]] = [("technique", "file", "takes off", "", "")]
    for each in found.savings:
        share = each.saved_bytes / found.described.file_bytes
        sure = "measured" if each.measured else "estimated"
        rows.append((each.technique, units.show_bytes(each.bytes_after), f"{each.saved_bytes:,}", f"{share:.1%}", sure))
    lines = ["What is left to take off", *laid_out(rows, right={1, 2, 3})]
    costs = {each.cost: each.technique for each in reversed(found.savings) if each.saved_bytes > 0}
    said = (f"{technique}: {cost}" for cost, technique in reversed(costs.items()))
    return [*lines, *(line for each in said for line in wrapped("  ", each, 4))]


def arena(found: Inspection) -> list[str]:
    """Return the activations by time: one row a tensor, one column an operator."""
    held = found.arena
    if held.peak is None:
        return []
    peak = found.described.ops[held.ops[held.peak]]
    said = f"Arena: activations take at most {held.peak_bytes:,} B at once, in {plain(peak.where)}"
    lines = wrapped("", said, 2)
    if found.arena_bytes:
        more = found.arena_bytes - held.peak_bytes
        why = "for gaps, scratch memory, its own structures, and what it needs while it allocates"
        said = f"TFLM needs {found.arena_bytes:,} B: {more:,} B more, {why}"
        lines += wrapped("  ", said, 2)
    most = max([1, *(each.bytes for each in held.lifetimes)])
    largest = sorted(held.lifetimes, key=lambda each: (-each.bytes, each.first))[:LIVES_SHOWN]
    lines.append(f"  {'made by':{NAME_WIDTH}} {'bytes':>9}  op 0 to {len(held.ops) - 1}")
    for each in sorted(largest, key=lambda each: (each.first, each.last)):
        lines.append(f"  {cut(each.layer):{NAME_WIDTH}} {each.bytes:>9,}  {row(each, held, most)}".rstrip())
    if len(held.lifetimes) > len(largest):
        rest = sum(each.bytes for each in held.lifetimes) - sum(each.bytes for each in largest)
        lines.append(f"  {len(held.lifetimes) - len(largest)} smaller: {rest:,} B together; all with --json")
    lines.append(f"  {'held at once':{NAME_WIDTH}} {held.peak_bytes:>9,}  {totals(held)}".rstrip())
    pointer = column(held.peak, len(held.ops))
    mark = f"^ peak: op {peak.index}"
    left = WIDTH - 13 - NAME_WIDTH - len(mark)
    mark = " " * pointer + mark if pointer <= left else f"{'peak: op ' + str(peak.index) + ' ^':>{pointer + 1}}"
    return [*lines, f"  {'':{NAME_WIDTH}} {'':>9}  {mark}"]


def column(place: int, ops: int) -> int:
    """Return the column at which an operator begins: up to three columns wide, or several operators in one."""
    wide = min(3, PICTURE_WIDTH // ops)
    return place * wide if wide else place * PICTURE_WIDTH // ops


def row(each: Lifetime, held: Arena, most: int) -> str:
    """Write one tensor's life as a bar; the thicker the larger."""
    ops = len(held.ops)
    start, end = column(each.first, ops), max(column(each.last + 1, ops), column(each.first, ops) + 1)
    return " " * start + EIGHTHS[max(1, round(8 * each.bytes / most))] * (end - start)


def totals(held: Arena) -> str:
    """Say what is held at once, operator by operator."""
    ops = len(held.ops)
    cells = [0] * column(ops, ops)
    for place_, size in enumerate(held.live):
        for at in range(column(place_, ops), max(column(place_ + 1, ops), column(place_, ops) + 1)):
            cells[at] = max(cells[at], size)
    return "".join(EIGHTHS[max(1, round(8 * size / max(1, held.peak_bytes))) if size else 0] for size in cells)


def layers(found: Inspection) -> list[str]:
    """Write one line an operator."""
    described = found.described
    rows: list[tuple[str, ...]] = [("op", "", "layer", "output", "weights", "MACs")]
    for op in described.ops:
        shape = "x".join(map(str, described.tensors[op.outputs[0]].shape)) if op.outputs else ""
        rows.append(
            (str(op.index), cut(op.name, 20), cut(op.layer or "-", 20), shape, f"{op.weight_bytes:,}", whole(op.macs))
        )
    lines = ["Operators", *laid_out(rows, right={0, 4, 5})] if described.ops else []
    return [*lines, *wrapped("  ", beside(described), 2)] if beside(described) else lines


def beside(described: Description) -> str:
    """Say why the operators' MACs add up to more than the file's."""
    if described.macs is None or sum(op.macs or 0 for op in described.ops) == described.macs:
        return ""
    return "MACs of graphs that the main one never runs, those of other signatures, are of one run and not in the total"


def whole(number: int | None) -> str:
    """Return a whole number with its thousands apart; a dash where there is none."""
    return "-" if number is None else f"{number:,}"


def laid_out(rows: Sequence[tuple[str, ...]], right: set[int]) -> Iterator[str]:
    """Put cells under each other; the last is cut where the line would be longer than 80 columns."""
    for line in columns(rows, right):
        yield f"  {line}" if len(line) <= WIDTH - 2 else f"  {line[: WIDTH - 5]}..."


def wrapped(first: str, words: str, indent: int) -> list[str]:
    """Break a long line at spaces."""
    return textwrap.wrap(
        first + words, WIDTH, subsequent_indent=" " * indent, drop_whitespace=True, break_on_hyphens=False,
        replace_whitespace=False,
    )  # fmt: skip


def bar(share: float, width: int) -> str:
    """Draw a bar in eighths of a column."""
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def cut(name: str, width: int = NAME_WIDTH) -> str:
    """Shorten a name in its middle, since layers differ at both ends."""
    return short(plain(name), width)
