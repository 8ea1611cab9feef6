"""The datasets that a recipe can name, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinyc.spec.preparation import Window


@dataclass(frozen=True)
class Known:
    """What a dataset brings where the recipe says nothing: its own scale and offset, and of recordings more.

    These have the `window` that is cut, and `sensor`: samples a second, and bits of one value.
    """

    scale: float = 1.0
    offset: float = 0.0
    is_text: bool = False
    window: Window | None = None
    sensor: tuple[float, int] | None = None


# The subjects in the order of their numbers, chosen before anything was measured on them.
WATCH = Window(length=128, stride=50, by="subject", validation=("8",), test=("9", "10"))

NAMED: Mapping[str, Known] = {
    "fashion-mnist": Known(scale=1 / 255),
    "fashion-mnist-full": Known(scale=1 / 255),
    "movie-sentiment": Known(is_text=True),
    "spoken-digits": Known(),
    "smartwatch-imu": Known(scale=1 / 2048, window=WATCH, sensor=(50.0, 16)),
}
