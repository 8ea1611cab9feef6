"""The arena by lifetime as a picture: a bar a tensor from the operator that makes it to the last that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tinyc.tflite.read.description import Description
from tinyc.tflite.read.lifetimes import Arena, Lifetime

WIDTH = 1000
LEFT, RIGHT, TOP = 190, 90, 40
ROW, GAP, SUM_HEIGHT = 13, 3, 150
ROWS_SHOWN = 60
STYLE = """:root{color-scheme:light dark}
text{font:11px system-ui,"DejaVu Sans",sans-serif;fill:#17202b}.soft{fill:#566273}.life{fill:#2166b8}
.made{fill:#a9c8ec}.peak{fill:#b4530a}.line{stroke:#b4530a;stroke-dasharray:4 3}.grid{stroke:#e9edf2}
@media(prefers-color-scheme:dark){text{fill:#e6eaf0}.soft{fill:#9eabbb}.life{fill:#6aa8f0}.made{fill:#2c4a6e}
.peak{fill:#f0a35c}.line{stroke:#f0a35c}.grid{stroke:#323b47}}"""


def svg(arena: Arena, described: Description, arena_bytes: int | None) -> str:
    """Draw lifetimes above, what is held at once below, with TFLM's own figure where it was measured."""
    shown = rows(arena)
    height = TOP + len(shown) * (ROW + GAP) + 40 + SUM_HEIGHT + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Activations by lifetime: at most {arena.peak_bytes:,} bytes at once">',
        f"<style>{STYLE}</style>",
        f'<text x="0" y="14">{escape(title(arena, described, arena_bytes))}</text>',
        f'<text x="0" y="30" class="soft">{escape(note(arena, shown))}</text>',
        *bars(arena, shown),
        *sums(arena, described, arena_bytes, TOP + len(shown) * (ROW + GAP) + 40),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def title(arena: Arena, described: Description, arena_bytes: int | None) -> str:
    """Say the peak, and what TFLM takes."""
    if arena.peak is None:
        return "This file has no operators."
    where = described.ops[arena.ops[arena.peak]].where
    tflm = f"; TensorFlow Lite Micro needs {arena_bytes:,} B in all" if arena_bytes else ""
    return f"At most {arena.peak_bytes:,} B of activations at once, in {where}{tflm}"


def note(arena: Arena, shown: tuple[Lifetime, ...]) -> str:
    left = len(arena.lifetimes) - len(shown)
    more = f"; {left} smaller tensors are not drawn, but counted below" if left else ""
    return f"Each bar is a tensor, from the operator that makes it to the last that reads it{more}"


def rows(arena: Arena) -> tuple[Lifetime, ...]:
    """Return the largest tensors in the order in which they are made."""
    largest = sorted(arena.lifetimes, key=lambda each: (-each.bytes, each.first))[:ROWS_SHOWN]
    return tuple(sorted(largest, key=lambda each: (each.first, each.last, each.tensor)))


def bars(arena: Arena, shown: tuple[Lifetime, ...]) -> Iterator[str]:
    """Write one bar a tensor; the darker, the more bytes."""
    step = (WIDTH - LEFT - RIGHT) / max(1, len(arena.ops))
    most = max((each.bytes for each in shown), default=1) or 1
    for place, each in enumerate(shown):
        y = TOP + place * (ROW + GAP)
        x, width = LEFT + each.first * step, (each.last - each.first + 1) * step
        name = each.layer if len(each.layer) <= 28 else each.layer[:13] + "…" + each.layer[-14:]
        yield f'<text x="{LEFT - 8}" y="{y + 10}" text-anchor="end">{escape(name)}</text>'
        yield (
            f'<rect class="life" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}" '
            f'opacity="{0.25 + 0.75 * each.bytes / most:.2f}">'
            f"<title>{escape(each.layer)}: {each.bytes:,} B</title></rect>"
        )
        yield f'<text x="{WIDTH}" y="{y + 10}" text-anchor="end" class="soft">{each.bytes:,} B</text>'


def sums(arena: Arena, described: Description, arena_bytes: int | None, top: int) -> Iterator[str]:
    """Draw a column an operator: what is held while it runs, on the scale of the arena that TFLM needs."""
    step = (WIDTH - LEFT - RIGHT) / max(1, len(arena.ops))
    scale = SUM_HEIGHT / max(1, arena_bytes or 0, arena.peak_bytes)
    bottom = top + SUM_HEIGHT
    yield f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">held at once</text>'
    yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    for place, size in enumerate(arena.live):
        kind = "peak" if place == arena.peak else "made"
        op = described.ops[arena.ops[place]]
        yield (
            f'<rect class="{kind}" x="{LEFT + place * step:.1f}" y="{bottom - size * scale:.1f}" '
            f'width="{max(0.5, step - 1):.1f}" height="{size * scale:.1f}">'
            f"<title>{escape(op.where)}: {size:,} B</title></rect>"
        )
    if arena_bytes:
        y = bottom - arena_bytes * scale
        yield f'<line class="line" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{WIDTH}" y="{y + 11:.1f}" text-anchor="end" class="soft">TFLM {arena_bytes:,} B</text>'
    every = max(1, len(arena.ops) // 12)
    for place in range(0, len(arena.ops), every):
        x = LEFT + (place + 0.5) * step
        yield f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle" class="soft">{arena.ops[place]}</text>'
    yield f'<text x="{LEFT - 8}" y="{bottom + 14}" text-anchor="end" class="soft">operator</text>'
