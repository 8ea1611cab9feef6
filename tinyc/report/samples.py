"""Choose the test examples that a report shows, and count who is taken for whom."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinyc.report.views import Confusion, Sample

PICTURE_EDGE = 64
TEXT_LENGTH = 400


def confusion(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Confusion:
    """Count test examples by true label (row) and predicted label (column)."""
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    return tuple(tuple(int(count) for count in row) for row in counts)


def samples(
    x: NDArray[Any], labels: NDArray[np.int64], source: NDArray[Any], final: NDArray[Any], count: int = 24
) -> tuple[Sample, ...]:
    """Choose up to `count` test examples, a quarter each of: both right, lost, won, both wrong.

    A quarter that has too few examples leaves its room to the others. Within a quarter classes take turns, first
    examples first, so that the same run shows the same examples.

    Args:
        x: raw examples, (examples, *input_shape), or sentences, (examples,).
        labels: (examples,).
        source, final: probabilities, (examples, classes); logits go through `probabilities` first.
    """
    source_label, final_label = source.argmax(axis=1), final.argmax(axis=1)
    before, after = source_label == labels, final_label == labels
    quarters = [
        _class_turns(np.flatnonzero(mask).tolist(), labels)
        for mask in (before & after, before & ~after, ~before & after, ~before & ~after)
    ]
    return tuple(
        Sample(
            index=i,
            label=int(labels[i]),
            source=int(source_label[i]),
            source_confidence=float(source[i].max()),
            final=int(final_label[i]),
            final_confidence=float(final[i].max()),
            image=None if isinstance(x[i], str) else picture(x[i]),
            text=shortened(x[i]) if isinstance(x[i], str) else None,
        )
        for i in _share(quarters, count)
    )


def picture(example: NDArray[Any]) -> str | None:
    """Write one raw example as a PNG data URI of at most 64 x 64; None where it is not a picture.

    A picture is (height, width), (height, width, 1) or (height, width, 3), at least 4 x 4. Floats are stretched to
    the example's own range.
    """
    shape = example.shape[:-1] if example.ndim == 3 and example.shape[-1] in (1, 3) else example.shape
    if len(shape) != 2 or min(shape) < 4:
        return None
    values = example.reshape(shape) if example.size == shape[0] * shape[1] else example
    if values.dtype != np.uint8:
        low, high = float(values.min()), float(values.max())
        values = ((values - low) / ((high - low) or 1.0) * 255).round().astype(np.uint8)
    image = Image.fromarray(values)
    image.thumbnail((PICTURE_EDGE, PICTURE_EDGE))
    png = io.BytesIO()
    image.save(png, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def shortened(sentence: str) -> str:
    """Cut a sentence to what a page has room for, 400 characters; three dots say that it goes on."""
    return sentence if len(sentence) <= TEXT_LENGTH else sentence[: TEXT_LENGTH - 3].rstrip() + "..."


def _class_turns(indices: list[int], labels: NDArray[np.int64]) -> list[int]:
    seen: dict[int, int] = {}
    turns = []
    for i in indices:
        label = int(labels[i])
        turns.append((seen.get(label, 0), label, i))
        seen[label] = seen.get(label, 0) + 1
    return [i for _, _, i in sorted(turns)]


def _share(quarters: list[list[int]], count: int) -> list[int]:
    taken = [0] * len(quarters)
    room = count
    while room and any(taken[q] < len(quarter) for q, quarter in enumerate(quarters)):
        for q, quarter in enumerate(quarters):
            if room and taken[q] < len(quarter):
                taken[q] += 1
                room -= 1
    return [i for quarter, number in zip(quarters, taken, strict=True) for i in quarter[:number]]
