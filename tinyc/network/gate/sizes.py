"""How large a saved network may say that it is: what its numbers ask for is refused before Keras makes room for it."""

from __future__ import annotations

from typing import Any

from tinyc.core import limits
from tinyc.network.gate.classes import names

REMEDY = "give a network that a device could hold"
SIZES = names(
    """
    units filters kernel_size pool_size size strides dilation_rate padding cropping target_shape batch_input_shape
    batch_shape input_shape output_shape build_input_shape shape input_dim output_dim input_length n num_heads key_dim
    value_dim depth_multiplier groups height width num_tokens target_height target_width crop_height crop_width depth
    heads head_width multiples paddings num num_rows num_columns repeats block_size
    """
)
"""Settings that say how many numbers a layer holds, takes or gives."""


def problem(key: str, given: Any) -> str | None:
    """Say which number of a setting is too large; None where none is."""
    if key not in SIZES:
        return None
    waiting = [given]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, int | float) and not abs(item) <= limits.DIMENSION:
            return f"has {key} = {item:,}; at most {limits.DIMENSION:,} is read"
    return None


def of_table(table: Any) -> str | None:
    """Say whether a network's table is nested too deeply, or has too many layers; None where it has not."""
    waiting, counted = [(table, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        if depth > limits.NESTING:
            return f"its configuration is nested too deeply, beyond {limits.NESTING} levels"
        if isinstance(item, dict):
            counted += sum(len(item[key]) for key in ("layers", "inbound_nodes") if isinstance(item.get(key), list))
        waiting += [(each, depth + 1) for each in children(item)]
    if counted > limits.LAYERS:
        return f"has {counted:,} layers and calls of layers; at most {limits.LAYERS:,} are read"
    return None


def children(item: Any) -> list[Any]:
    """Return what a list or table holds."""
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []
