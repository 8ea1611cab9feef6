"""Where each kilobyte went: every state's bytes by kind and by group of layers, and a sentence a pass, from figures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tinyc.core import units
from tinyc.measure import Ledger
from tinyc.report.figures import factor
from tinyc.report.record import Report, StepRecord
from tinyc.report.tables import Cells, states
from tinyc.report.views import Views

# What the kinds of a flatbuffer's bytes are called together; a Keras network is weighed as a float32 file, in two.
SHOWN: Mapping[str, tuple[str, ...]] = {
    "float weights and biases": ("float weights and biases",),
    "weights": ("weights",),
    "weight tables": ("weight tables",),
    "biases": ("biases",),
    "scales and shapes": ("scales and zero points", "shapes", "other constants", "sparsity"),
    "operators and offsets": ("operators and options", "tables and offsets", "buffer headers", "alignment padding"),
    "names and notes": (
        "names", "calibrated ranges", "signatures", "description", "metadata", "associated files", "unread buffers",
        "unknown",
    ),
    "all but weights": ("all but weights",),
}  # fmt: skip
GROUPS_SHOWN = 14
CHANGES_NAMED = 3
# Files up to this many times the last are drawn to one scale; larger ones fill the width and say so.
SCALE = 20
BITS_APART = 0.25
ZEROS_APART = 0.02
PARAMS_APART = 0.002
GZIP_APART = 0.05
TABLES = "weight tables"


@dataclass(frozen=True)
class Segment:
    """One kind in a bar, in per cent of the width; `colour` is its place in the legend."""

    at: float
    width: float
    colour: int
    text: str


@dataclass(frozen=True)
class Stack:
    """One state's file: `beyond` says that it is too large for the scale of the others."""

    name: str
    segments: tuple[Segment, ...]
    text: str
    beyond: str


def parts(report: Report, views: Views) -> tuple[dict[str, int], ...]:
    """Give each state's bytes by shown kind; weights and the rest where no more is known, nothing unmeasured."""
    stored = {each.index: each.kinds for each in views.kilobytes}
    found = []
    for index, state in enumerate(states(report)):
        kinds = stored.get(index) or coarse(state.ledger)
        named = {name: sum(kinds.get(kind, 0) for kind in group) for name, group in SHOWN.items()}
        found.append({name: size for name, size in named.items() if size})
    return tuple(found)


def coarse(ledger: Ledger) -> dict[str, int]:
    """Weights, and all else."""
    if ledger.weight_bytes is None or ledger.metadata_bytes is None:
        return {}
    weights = "float weights and biases" if ledger.runtime == "keras" else "weights"
    return {weights: ledger.weight_bytes, "all but weights": ledger.metadata_bytes}


def legend(report: Report, views: Views) -> tuple[tuple[int, str], ...]:
    """Return the kinds that occur, with their colours."""
    used = {name for found in parts(report, views) for name in found}
    return tuple((place, name) for place, name in enumerate(SHOWN) if name in used)


def stacks(report: Report, views: Views) -> tuple[Stack, ...]:
    """Lay the states out as bars of kinds, on one linear scale but for those many times larger than the last."""
    found = parts(report, views)
    sizes = [sum(each.values()) for each in found]
    last = next((size for size in reversed(sizes) if size), 0)
    scale = max((size for size in sizes if size <= SCALE * last), default=0) or 1
    bars = []
    for state, kinds, size in zip(states(report), found, sizes, strict=True):
        beyond = f"{size / scale:,.0f}x this width" if size > SCALE * last else ""
        whole = size if beyond else scale
        segments, at = [], 0.0
        for place, name in enumerate(SHOWN):
            if name in kinds:
                width = kinds[name] / whole * 100
                text = f"{name}: {units.show_bytes(kinds[name])}, {kinds[name] / size:.1%}"
                segments.append(Segment(round(at, 2), round(width, 2), place, text))
                at += width
        bars.append(Stack(state.name, tuple(segments), units.show(size or None, "bytes"), beyond))
    return tuple(bars)


def by_kind(report: Report, views: Views) -> Cells:
    """Write one row a kind, one column a state."""
    found = parts(report, views)
    rows = [
        (name, *(units.show_bytes(kinds[name]) if name in kinds else "-" for kinds in found))
        for _, name in legend(report, views)
    ]
    if rows:
        rows.append(("together", *(units.show(sum(kinds.values()) or None, "bytes") for kinds in found)))
    return columns("kind", report, rows)


def by_group(report: Report, views: Views) -> Cells:
    """Write one row a group of layers (what stands before the first _ of their names), one column a state."""
    stored = {each.index: each.groups for each in views.kilobytes}
    found = [stored.get(index, {}) for index in range(len(states(report)))]
    names = list(dict.fromkeys(name for groups in found for name in groups))
    totals = [sum(groups.values()) or 1 for groups in found]
    share = {
        name: max(groups.get(name, 0) / total for groups, total in zip(found, totals, strict=True)) for name in names
    }
    heaviest = sorted(names, key=lambda name: -share[name])[:GROUPS_SHOWN]
    kept = [name for name in names if name in heaviest]
    rows = [(name, *(units.show_bytes(groups[name]) if name in groups else "-" for groups in found)) for name in kept]
    rest = [sum(size for name, size in groups.items() if name not in kept) for groups in found]
    if any(rest):
        rows.append((f"{len(names) - len(kept)} lighter groups", *(units.show_bytes(size) for size in rest)))
    return columns("layers", report, rows)


def columns(first: str, report: Report, rows: list[tuple[str, ...]]) -> Cells:
    header = (first, *(state.name for state in states(report)))
    return Cells(header, tuple(rows), frozenset(range(1, len(header))))


def summary(report: Report) -> str:
    """Say in one sentence which pass made the file how many times smaller."""
    first, last = report.source.file_bytes, report.final.file_bytes
    if not first or not last:
        return ""
    moved = [
        f"{step.index} {step.use} {change}"
        for step in report.steps
        if (change := factor(step.before.file_bytes, step.after.file_bytes)) not in ("", "unchanged")
    ]
    whole = f"{units.show_bytes(first)} became {units.show_bytes(last)}, {factor(first, last)}"
    return f"{whole}: {', '.join(moved)}." if moved else f"{whole}."


def sentences(report: Report, views: Views) -> tuple[tuple[str, str], ...]:
    """Say of each pass what it took off, and why the bytes went, from the figures before and after it."""
    found = parts(report, views)
    names = [f"{step.index} {step.use}" for step in report.steps]
    stored = [after.get(TABLES, 0) > before.get(TABLES, 0) for before, after in itertools.pairwise(found)]
    said = []
    for place, step in enumerate(report.steps):
        tabled = next(
            (name for name, grown in zip(names[place + 1 :], stored[place + 1 :], strict=True) if grown), None
        )
        said.append((names[place], sentence(step, found[place], found[place + 1], tabled)))
    return tuple(said)


def sentence(step: StepRecord, before: Mapping[str, int], after: Mapping[str, int], tabled: str | None = None) -> str:
    """Write one pass in a sentence; `tabled` is the later pass that makes weight tables, where there is one."""
    old, new = step.before.file_bytes, step.after.file_bytes
    if old is None or new is None:
        return "The file was not measured."
    reasons = [*weights(step), *tables(before, after), *rest(step, before, after)]
    because = f": {'; '.join(reasons)}" if reasons else ""
    size = units.show_bytes(abs(new - old))
    zeros = sparse(step)
    if new == old:
        if reasons or zeros:
            return f"The file did not get smaller{because}." + zeros
        return f"Left every byte as it was{repeated(step, tabled)}."
    verb = f"Took {size} off" if new < old else f"Added {size}"
    return f"{verb} ({factor(old, new)}){because}.{zeros}"


def weights(step: StepRecord) -> Iterator[str]:
    """Say what happened to the parameters: fewer of them, or fewer bits for each."""
    before, after = step.before, step.after
    if before.params is None or after.params is None or not before.params or not after.params:
        return
    gone = before.params - after.params
    lowered = before.runtime == "keras" != after.runtime
    if lowered and abs(gone) > before.params * PARAMS_APART:
        yield f"the conversion leaves {units.show_count(after.params)} of {units.show_count(before.params)} parameters"
    elif gone > before.params * PARAMS_APART:
        share = units.show(gone / before.params, "fraction")
        yield f"{units.show_count(gone)} of {units.show_count(before.params)} parameters are gone ({share})"
    elif -gone > before.params * PARAMS_APART:
        yield f"{units.show_count(-gone)} parameters came in"
    old, new = bits(before), bits(after)
    if old is not None and new is not None and abs(old - new) > BITS_APART:
        moved = f"weights from {units.show(before.weight_bytes, 'bytes')} to {units.show(after.weight_bytes, 'bytes')}"
        yield f"a parameter takes {new:.1f} bits instead of {old:.1f} ({moved})"


def bits(ledger: Ledger) -> float | None:
    """Return the bits that a parameter takes in the file, on average."""
    return 8 * ledger.weight_bytes / ledger.params if ledger.weight_bytes and ledger.params else None


def tables(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    """Say what moved into weight tables."""
    moved = after.get(TABLES, 0) - before.get(TABLES, 0)
    if moved > 0:
        plain = before.get("weights", 0) - after.get("weights", 0)
        yield f"{units.show_bytes(plain)} of weights became {units.show_bytes(moved)} of indices and tables"


def rest(step: StepRecord, before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    """Say what happened to all that is not a weight, by kind where both states are known by kind."""
    names = [name for name in SHOWN if "weight" not in name and name != "biases"]
    if "all but weights" in before or "all but weights" in after:
        old, new = step.before.metadata_bytes, step.after.metadata_bytes
        if old and new and abs(old - new) > (step.before.file_bytes or 0) / 200:
            largest = max(names, key=lambda name: after.get(name, 0))
            mostly = f", mostly {largest}" if largest != "all but weights" and after.get(largest) else ""
            yield f"all but weights from {units.show_bytes(old)} to {units.show_bytes(new)}{mostly}"
        return
    changes = [(after.get(name, 0) - before.get(name, 0), name) for name in names]
    changes.sort(key=lambda change: -abs(change[0]))
    for change, name in changes[:CHANGES_NAMED]:
        if change:
            yield f"{name} {'-' if change < 0 else '+'}{units.show_bytes(abs(change))}"


def sparse(step: StepRecord) -> str:
    """Say what zeros do: nothing in the file, something after gzip."""
    old, new = zeros(step.before), zeros(step.after)
    if old is None or new is None or new - old < ZEROS_APART:
        return ""
    gzip = f"{units.show(step.before.gzip_bytes, 'bytes')} to {units.show(step.after.gzip_bytes, 'bytes')}"
    return (
        f" {units.show(new, 'fraction')} of the parameters are zero now: a zero takes the place of any other number"
        f" in the file, and only gzip profits ({gzip})."
    )


def repeated(step: StepRecord, tabled: str | None) -> str:
    """Say what a fall of gzip alone means: numbers repeat, of which tables can be made."""
    old, new = step.before.gzip_bytes, step.after.gzip_bytes
    if not old or not new or new > old * (1 - GZIP_APART):
        return ""
    use = f"{tabled} turns into bytes" if tabled else "`compact` after `quantize` would turn into bytes"
    return f"; gzip falls from {units.show_bytes(old)} to {units.show_bytes(new)}: values repeat, which {use}"


def zeros(ledger: Ledger) -> float | None:
    """Return the share of parameters that are zero."""
    if ledger.params is None or ledger.nonzero_params is None or not ledger.params:
        return None
    return 1 - ledger.nonzero_params / ledger.params
