"""Whether Keras would come to an end with a network: it looks for what a layer reads from until it is there.

A network's table lists its layers, and each layer's calls as `inbound_nodes`: nested lists whose leaves are
`[layer, call, tensor, keywords]`, or `["_CONSTANT_VALUE", -1, value, keywords]`. A tensor among the keywords is
`[layer, call, tensor]`. The calls of a layer are numbered from 0, those of a network within the network from 1, since
the call that made it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CONSTANT = "_CONSTANT_VALUE"
SHAPES = ("batch_input_shape", "batch_shape", "input_shape")
Read = tuple[str, int]


def problem(config: Mapping[str, Any]) -> str | None:
    """Say which layer of a network would be waited for without end; None where there is none.

    Args:
        config: the settings of a functional network, with its `layers`.
    """
    layers = [layer for layer in config["layers"] if isinstance(layer, dict)]
    for layer in layers:
        inner = layer.get("config")
        own = inner.get("name", layer.get("name")) if isinstance(inner, dict) else layer.get("name")
        if own != layer.get("name"):
            return f"calls itself {str(own)[:80]!r} in its own settings"
    waiting = {str(layer.get("name")): list(calls(layer)) for layer in layers}
    ready = {str(layer.get("name")): first_call(layer) for layer in layers}
    if len(waiting) != len(layers):
        return "has a name that another layer has too"
    return stuck(waiting, ready)


def stuck(waiting: Mapping[str, list[set[Read]]], ready: dict[str, int]) -> str | None:
    """Make every call whose tensors are there, until no more can be made; say which is left."""
    moved = True
    while moved:
        moved = False
        for name, left in waiting.items():
            while left and all(call < ready[layer] for layer, call in left[0] if layer in ready):
                left.pop(0)
                ready[name] += 1
                moved = True
    left_over = [name for name, left in waiting.items() if left]
    return (
        f"and what it reads from wait for each other: {left_over[0][:80]!r} can never be called" if left_over else None
    )


def first_call(layer: Mapping[str, Any]) -> int:
    """The number of calls that are there before any is made: an input's own, and the one that made a network."""
    inner = layer.get("config")
    kind = layer.get("class_name")
    if kind == "Sequential" and isinstance(inner, dict | list):
        parts = inner.get("layers") if isinstance(inner, dict) else inner
        first = parts[0] if isinstance(parts, list) and parts and isinstance(parts[0], dict) else {}
        settings = first.get("config")
        shaped = isinstance(settings, dict) and any(key in settings for key in SHAPES)
        return int(shaped or first.get("class_name") == "InputLayer" or first.get("class_name") == "Functional")
    return int(kind in ("InputLayer", "Functional", "Model"))


def calls(layer: Mapping[str, Any]) -> Iterator[set[Read]]:
    """What each call of a layer reads."""
    nodes = layer.get("inbound_nodes")
    for node in nodes if isinstance(nodes, list) else []:
        yield set(reads(node))


def reads(value: Any) -> Iterator[Read]:
    """Every tensor that a value mentions."""
    if isinstance(value, dict):
        for item in value.values():
            yield from reads(item)
    elif isinstance(value, list):
        if len(value) in (3, 4) and isinstance(value[0], str) and value[0] != CONSTANT and is_whole(value[1:3]):
            yield value[0], value[1]
        for item in value:
            yield from reads(item)


def is_whole(values: list[Any]) -> bool:
    return all(isinstance(value, int) for value in values)
