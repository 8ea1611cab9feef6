"""Networks of layers one after another, which the test chooses."""

from __future__ import annotations

from typing import Any

from tinyc.network import backend


def chain(shape: tuple[int, ...], *layers: Any, name: str | None = None) -> Any:
    """Each layer takes what the one before gives; the first takes examples of the shape."""
    keras = backend.keras()
    x = given = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    return keras.Model(given, x, name=name)
