"""The recipe lines that remove a cause, as this recipe's own `quantize` would take them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tinyc.quantization.columns import FITTED, RETRAIN
from tinyc.tflite.dense_scales import warning

Change = tuple[str, Any]
# Keys that post-training ranges read; training under int8 rounding sets its own.
POST_TRAINING = frozenset({
    "calibrate", "percentile", "per_channel_dense", "weights", "activations", "exclude", "bias_correction", "equalize",
})  # fmt: skip
EIGHT_BITS = frozenset({"calibrate", "percentile", "weights", "exclude", "precision", "flash"})
"""Keys that `quantize` takes beside activations = "int8" alone."""
DATA = "data."
PRUNE = "prune."


def lines(changes: Iterable[Change], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Write changes as recipe lines; those that the recipe has already, or whose key is unknown, are left out.

    Args:
        changes: key and value of `quantize`; a key that begins with "prune." belongs to a pass before.
        options: every key that `quantize` knows, with the value that it has.
    """
    wanted = [(key, value) for key, value in changes if is_news(key, value, options)]
    if options.get("how") == "qat" and any(key in POST_TRAINING for key, _ in wanted):
        wanted = [("how", "ptq"), *[(key, value) for key, value in wanted if key != "how"]]
    return tuple(dict.fromkeys(spelled(key, value) for key, value in wanted))


def is_news(key: str, value: Any, options: Mapping[str, Any]) -> bool:
    """Say whether a change would be one."""
    if key.startswith(PRUNE):
        return True
    if not fits(key, value, options):
        return False
    if key == "exclude" and key in options:
        return not set(value) <= set(options[key] or ())
    return key in options and options[key] != value


def fits(key: str, value: Any, options: Mapping[str, Any]) -> bool:
    """Say whether `quantize` takes a key beside the bits that the recipe has; what can be taken back counts as free."""
    if options.get("activations") == "int16":
        return key not in EIGHT_BITS
    return not (key == "activations" and value == "int16" and options.get("precision") == "auto")


def spelled(key: str, value: Any) -> str:
    """Write one line as it stands in a recipe; a key that begins with "data." belongs to `[data]`."""
    if key.startswith(PRUNE):
        return f'[[pass]] use = "prune", {key.removeprefix(PRUNE)} = {literal(value)}, before quantize'
    if key.startswith(DATA):
        return f"[data] {key.removeprefix(DATA)} = {literal(value)}"
    return f"{key} = {literal(value)}"


def caution(said: Iterable[str]) -> str:
    """Say which firmware goes wrong under a scale for each output of a Dense layer, where lines propose it.

    Where they propose another scale of the examples, that the network has to learn it.
    """
    asked, lines = spelled("per_channel_dense", True), [*said]
    if FITTED in lines:
        return RETRAIN
    return f"{asked} is {warning()}" if any(asked in line for line in lines) else ""


def literal(value: Any) -> str:
    """Write a TOML value; JSON's text, numbers, switches and lists are TOML's too."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
