"""sensitivity.svg: what every group and layer loses as a coloured grid, in the network's order; one file, no script."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tinyc.core import units
from tinyc.core.spelling import short
from tinyc.report import sensitivity_tables
from tinyc.report.sensitivity_tables import Row
from tinyc.spec.sensitivity_file import Sensitivity

CELL, ROW, NAME, GAP = 62, 22, 260, 48
TOP = 130
WORST = 0.5
"""An accuracy loss that is painted full; the colour goes with its square root, so that small ones show."""
STYLE = """
:root { color-scheme: light dark; --card: #ffffff; --ink: #17202b; --soft: #566273; --line: #dde2e9; --cell: #b4530a; }
@media (prefers-color-scheme: dark) {
  :root { --card: #1b2129; --ink: #e6eaf0; --soft: #9eabbb; --line: #323b47; --cell: #c2570c; }
}
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--ink); }
.page { fill: var(--card); } .title { font-size: 19px; font-weight: 650; } text.soft { fill: var(--soft); }
.head { font-weight: 600; } .number { text-anchor: end; font-variant-numeric: tabular-nums; font-size: 12px; }
.cell { fill: var(--cell); } .edge { fill: none; stroke: var(--line); }
"""


def draw(found: Sensitivity) -> str:
    """Draw both grids beside each other."""
    cuts, bits = sensitivity_tables.cut_rows(found), sensitivity_tables.bit_rows(found)
    amounts = [f"{fraction * 100:.3g} %" for fraction in sensitivity_tables.fractions(found)]
    widths = [f"{width} bits" for width in sensitivity_tables.widths(found)]
    second = NAME + CELL * len(amounts) + GAP
    across = second + NAME + CELL * len(widths) + 48
    down = TOP + ROW * max(len(cuts), len(bits)) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{across}" height="{down}" viewBox="0 0 {across} {down}"'
        f' role="img" aria-label="{escape(title(found))}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{across}" height="{down}"/>',
        *heading(found),
        *grid("Channels cut, lowest l1 first", amounts, cuts, 24),
        *grid("Weights rounded, by layer", widths, bits, second + 24),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def title(found: Sensitivity) -> str:
    return f"Sensitivity of {found.recipe}" + (f" after {found.after}" if found.after else "")


def heading(found: Sensitivity) -> Iterator[str]:
    """Say what the figures are."""
    base = units.show(found.base.accuracy, "fraction")
    yield f'<text class="title" x="24" y="36">{escape(title(found))}</text>'
    yield (
        f'<text class="soft" x="24" y="58">accuracy change in percentage points, from {base} on {found.examples} '
        f"{found.split} examples (one is {100 / found.examples:.1f}); nothing is trained after</text>"
    )
    yield (
        '<text class="soft" x="24" y="76">in the network\'s order; the name is that of the first layer, '
        "+3 that three more are cut with it</text>"
    )


def grid(heading: str, columns: list[str], rows: list[Row], left: int) -> Iterator[str]:
    """Draw one grid; each cell has its figure, so that colour is not all there is to go by."""
    yield f'<text class="head" x="{left}" y="{TOP - 10}">{escape(heading)}</text>'
    start = left + NAME - 24
    for place, column in enumerate(columns):
        yield f'<text class="number soft" x="{start + CELL * (place + 1) - 8}" y="{TOP - 10}">{escape(column)}</text>'
    for line, row in enumerate(rows):
        y = TOP + ROW * line
        name = escape(short(row.name, 30))
        yield f'<text x="{left}" y="{y + 16}">{name}<title>{escape(", ".join(row.layers))}</title></text>'
        for place, loss in enumerate(row.losses):
            yield from cell(start + CELL * place, y, loss)


def cell(x: int, y: int, loss: float) -> Iterator[str]:
    """Paint one figure."""
    strength = min(max(loss, 0.0) / WORST, 1.0) ** 0.5
    box = f'x="{x}" y="{y}" width="{CELL}" height="{ROW}"'
    if strength > 0:
        yield f'<rect class="cell" {box} fill-opacity="{0.75 * strength:.3f}"/>'
    yield f'<rect class="edge" {box}/>'
    figure = sensitivity_tables.points(loss)
    yield f'<text class="number{" soft" * (figure == "0")}" x="{x + CELL - 8}" y="{y + 16}">{figure}</text>'
