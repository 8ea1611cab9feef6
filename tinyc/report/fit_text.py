"""What `tinyc fit` prints: runtimes first, then boards, within 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from tinyc.analysis.fitting import Artifact, Fit
from tinyc.core import units
from tinyc.core.spelling import short
from tinyc.devices.fitting import Problem
from tinyc.devices.runtime import Runtime
from tinyc.measure.figures import Latency
from tinyc.report.columns import columns
from tinyc.report.plain import plain

WIDTH = 80
NAMED, NAME_WIDTH, VERDICT_WIDTH = 2, 14, 40
VERDICTS = {"missing": "refuses it", "wrong": "wrong, silently", "reported": "runs it, but"}


def text(
    artifact: Artifact, runtimes: Sequence[Runtime], refused: Mapping[str, tuple[Problem, ...]], found: Sequence[Fit]
) -> str:
    """Write everything; reasons that several runtimes share stand once, below the table."""
    sections = (head(artifact), by_runtime(runtimes, refused), by_board(found), reasons(refused, found))
    return "\n\n".join("\n".join(section) for section in map(list, sections) if section)


def head(artifact: Artifact) -> Iterator[str]:
    """Say what the file takes."""
    arena = "not measured" if artifact.arena_bytes is None else f"{artifact.arena_bytes:,} B on this host"
    yield plain(artifact.path)
    yield f"  flash  {artifact.flash_bytes:,} B"
    yield f"  arena  {arena}"
    if artifact.unmeasured:
        yield from textwrap.wrap(plain(artifact.unmeasured), WIDTH, initial_indent="  ", subsequent_indent="  ")


def by_runtime(runtimes: Sequence[Runtime], refused: Mapping[str, tuple[Problem, ...]]) -> Iterator[str]:
    """Give a line a runtime."""
    rows = [("runtime", "read", "verdict")]
    for runtime in runtimes:
        problems = refused[runtime.name]
        rows.append((runtime.name, runtime.read or "-", verdict(problems)))
    yield from columns(rows)


def verdict(problems: Sequence[Problem]) -> str:
    """Say in a few words what a runtime makes of the file."""
    if not problems:
        return "runs it"
    worst = problems[0].severity
    names = list(dict.fromkeys(each.operator for each in problems if each.severity == worst))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    listed = ", ".join(short(plain(name), NAME_WIDTH) for name in names[:NAMED])
    return short(f"{VERDICTS[worst]}: {listed}{more}", VERDICT_WIDTH)


def by_board(found: Sequence[Fit]) -> Iterator[str]:
    """Give a line a board, or a line a runtime of one board: what the model takes of what it may have."""
    boards = {each.board.name for each in found}
    rows = [("board" if len(boards) > 1 else f"on {found[0].board.name}", "flash", "arena", "latency (estimate)", "")]
    for each in found:
        rows.append((
            each.board.name if len(boards) > 1 else each.runtime.name,
            share(each.flash_bytes, each.flash_room),
            share(each.arena_bytes, each.arena_room),
            latency(each.latency),
            said(each),
        ))  # fmt: skip
    yield from columns(rows, right=(1, 2, 3))
    if len(boards) > 1:
        yield "each board with its usual runtime; --board NAME shows it with all of its own"


def share(size: int | None, room: int | None) -> str:
    """Give the share of the room that a size takes."""
    return "-" if size is None or room is None else f"{100 * size / room:.1f} %"


def latency(found: Latency) -> str:
    """Spell an estimate as its range, with two digits; a measurement as what it is."""
    if found.low is None or found.high is None or found.seconds is None:
        return "-"
    if found.basis == "measured":
        return f"{units.show(found.seconds, 'seconds')} measured"
    low, high = (f"{float(f'{seconds * 1000:.2g}'):,g}" for seconds in (found.low, found.high))
    return f"{low} to {high} ms"


def said(each: Fit) -> str:
    """Say whether a board runs and holds the file."""
    worst = each.problems[0].severity if each.problems else None
    if worst in ("missing", "wrong"):
        return {"missing": "refused", "wrong": "computed wrongly"}[worst]
    word = "runs" if each.holds is None else "fits" if each.holds else "too big"
    return f"{word}, but" if worst else word


def reasons(refused: Mapping[str, tuple[Problem, ...]], found: Sequence[Fit]) -> Iterator[str]:
    """Say once what is in the way, of which runtimes or boards, and what to write instead."""
    shared: dict[tuple[str, str], list[str]] = {}
    for name, problems in refused.items():
        for each in problems:
            shared.setdefault((each.sentence, each.remedy), []).append(name)
    for fit in found:
        for each in fit.problems:
            if each not in refused.get(fit.runtime.name, ()):
                shared.setdefault((each.sentence, each.remedy), []).append(f"{fit.runtime.name} on {fit.board.name}")
    for (sentence, remedy), names in shared.items():
        line = plain(f"{', '.join(names)}: {sentence}. {remedy[:1].upper()}{remedy[1:]}.")
        yield from textwrap.wrap(line, WIDTH, subsequent_indent="  ")
