"""The measurements in rows: what each group of channels and each layer loses, the most sensitive first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinyc.core import units
from tinyc.core.spelling import short
from tinyc.spec.sensitivity_file import CutScore, GroupCuts, LayerBits, Sensitivity

SHOWN = 20
"""Rows of a table in a terminal; all of them are in the JSON and the picture."""
WIDE = 115
FIGURE = 8


@dataclass(frozen=True)
class Row:
    """One group or layer; `losses` are accuracy lost (a fraction, negative where it rose) by rising damage."""

    layers: tuple[str, ...]
    figures: tuple[str, ...]
    losses: tuple[float, ...]
    rank: tuple[float, float]

    @property
    def name(self) -> str:
        """The first layer, and how many more go with it."""
        return self.layers[0] + (f" +{len(self.layers) - 1}" if len(self.layers) > 1 else "")


def cut_rows(found: Sensitivity) -> list[Row]:
    """Write one row a group, in the network's order."""
    return [Row(each.layers, sizes(each), losses(found, each.cuts), rank(found, each.cuts)) for each in found.groups]


def bit_rows(found: Sensitivity) -> list[Row]:
    """Write one row a layer, in the network's order."""
    rows = []
    for layer in dict.fromkeys(each.layer for each in found.int8):
        own = [each for each in found.int8 if each.layer == layer]
        rows.append(Row((layer,), (), losses(found, own), rank(found, own)))
    return rows


def widths(found: Sensitivity) -> tuple[int, ...]:
    return tuple(dict.fromkeys(each.bits for each in found.int8))


def fractions(found: Sensitivity) -> tuple[float, ...]:
    return tuple(dict.fromkeys(cut.fraction for group in found.groups for cut in group.cuts))


def sizes(group: GroupCuts) -> tuple[str, ...]:
    return (str(group.channels), units.show(group.params, "count"), units.show(group.macs, "count"))


def losses(found: Sensitivity, scores: Sequence[CutScore] | Sequence[LayerBits]) -> tuple[float, ...]:
    return tuple(found.base.accuracy - each.accuracy for each in scores)


def rank(found: Sensitivity, scores: Sequence[CutScore] | Sequence[LayerBits]) -> tuple[float, float]:
    """Order by accuracy lost over all amounts, then by the growth of the loss, which is finer."""
    return (
        sum(each.accuracy - found.base.accuracy for each in scores),
        sum(found.base.loss - each.loss for each in scores),
    )


def lines(found: Sensitivity, width: int) -> Iterator[str]:
    """Show both tables in `width` columns."""
    yield f"accuracy {units.show(found.base.accuracy, 'fraction')} on {found.examples} {found.split} examples"
    one = 100 / found.examples
    yield f"how it changes in pp (one example is {one:.1f}), untrained after, the worst first;"
    yield "+3 says that three more layers are cut with this one"
    yield ""
    heads = ("channels", "params", "MACs") if width >= WIDE else ("channels",)
    cuts = [f"{fraction * 100:.3g} %" for fraction in fractions(found)]
    yield from table("channels cut", heads, cuts, cut_rows(found), width)
    yield ""
    yield from table("weights rounded", (), [f"{bits} bits" for bits in widths(found)], bit_rows(found), width)


def table(title: str, heads: tuple[str, ...], columns: list[str], rows: list[Row], width: int) -> Iterator[str]:
    """Lay out one table; names too long are cut in the middle."""
    order = sorted(rows, key=lambda row: row.rank)[:SHOWN]
    figures = len(heads) * (FIGURE + 1) + len(columns) * FIGURE
    room = min(max([len(title), *(len(row.name) for row in order)]), width - figures)
    head = "".join(f"{name:>{FIGURE + 1}}" for name in heads) + "".join(f"{name:>{FIGURE}}" for name in columns)
    yield f"{title:{room}}{head}"
    for row in order:
        sizes = "".join(f"{text:>{FIGURE + 1}}" for text in row.figures[: len(heads)])
        yield f"{short(row.name, room):{room}}{sizes}" + "".join(f"{points(loss):>{FIGURE}}" for loss in row.losses)
    if len(rows) > SHOWN:
        yield f"{len(rows) - SHOWN} less sensitive ones are in sensitivity.svg and sensitivity.json"


def points(loss: float) -> str:
    """Write accuracy lost in percentage points; what was gained has a plus."""
    text = f"{abs(loss) * 100:.1f}"
    return "0" if text == "0.0" else ("-" if loss > 0 else "+") + text
