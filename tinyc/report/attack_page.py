"""An attack as a page of a terminal: what was asked, one line an attack, what it means; 80 columns are enough."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rich.text import Text

from tinyc.analysis.attack.record import Attack, Found
from tinyc.analysis.attack.scored import Figure
from tinyc.analysis.attack.wording import above
from tinyc.report.plain import plain

WIDTHS = (16, 5, 14, 9, 16, 6, 6)
HEADER = ("attack", "AUC", "95 % interval", "advantage", "95 % interval", "at 1 %", "0.1 %")
LEGEND = (
    "AUC: chance that a member looks more like one than another example; 0.5 is guessing. advantage: true minus false "
    "alarms. at 1 %: members found at 1 % false alarms; a dash: too few examples."
)
CONTROL = (
    " to validation: with validation examples, which trained nothing, in the others' place; control: in the members'."
)
SIDES = {"members": "members (train)", "others": "others (test)", "validation": "validation"}


def lines(found: Attack, folder: str, width: int) -> Iterator[Text]:
    """Write the whole page."""
    yield Text(f"{plain(folder)}: who was in the training data?", style="bold")
    yield from wrapped(asked(found), width)
    yield Text()
    yield Text(row(("", "loss", "accuracy")))
    for name, title in SIDES.items():
        loss, accuracy = found.loss[name], found.accuracy[name]
        if loss is not None and accuracy is not None:
            yield Text(row((title, f"{loss:.3f}", f"{accuracy:.1%}".replace("%", " %"))))
    yield Text()
    yield Text(row(HEADER), style="bold")
    for each in found.attacks:
        yield Text(row(cells(each, found)))
    if found.promise:
        limits = ("at most, by DP", f"{found.promise.auc:.3f}", "", f"{found.promise.advantage:.3f}")
        yield Text(row(limits))
    yield Text()
    yield from wrapped(found.verdict, width, style=style(found))
    for note in found.notes:
        yield from wrapped(f"- {note}", width, "  ")
    yield Text()
    yield from wrapped(LEGEND + (CONTROL if found.loss["validation"] is not None else ""), width, style="dim")
    yield Text("written: attack.json", style="dim")


def asked(found: Attack) -> str:
    """Say who was asked about what, and how."""
    spread = f"; intervals resample the column {found.cluster!r}" if found.cluster else ""
    return (
        f"{plain(found.artifact)} under {found.runtime} ({plain(found.runtime_version)}), {found.members:,} training "
        f"examples (members) and {found.others:,} test examples (others), seed {found.seed}{plain(spread)}"
    )


def cells(each: Found, found: Attack) -> tuple[str, ...]:
    """Write one attack's figures."""
    names = {"loss": "loss threshold", "loss_validation": "- to validation", "control": "- control"}
    if found.shadows:
        names["lira"] = f"LiRA, {found.shadows['count']} shadows"
    rates = [share(each.tpr_at_1_percent), share(each.tpr_at_0_1_percent)]
    auc, advantage = each.auc, each.advantage
    return (names[each.name], f"{auc.value:.3f}", interval(auc), f"{advantage.value:.3f}", interval(advantage), *rates)


def interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return "-"
    return f"{figure.low:.3f}..{figure.high:.3f}"


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}".replace("%", " %")


def row(given: tuple[str, ...]) -> str:
    """Align a line of the table: names to the left, figures to the right."""
    first, *rest = given
    figures = (f"{cell:>{width}}" for cell, width in zip(rest, WIDTHS[1:], strict=False))
    return " ".join([f"{first:{WIDTHS[0]}}", *figures]).rstrip()


def style(found: Attack) -> str:
    """Mark an artifact that may tell."""
    return "bold yellow" if any(above(each) for each in found.attacks if each.name in ("loss", "lira")) else "bold"


def wrapped(text: str, width: int, indent: str = "", style: str = "") -> Iterator[Text]:
    """Break a sentence at words."""
    for line in textwrap.wrap(plain(text), width, subsequent_indent=indent, break_long_words=False):
        yield Text(line, style=style)
