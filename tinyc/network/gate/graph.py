"""Whether Keras would come to an end with a network: it looks for what a layer reads from until it is there.

A network's table lists its layers, and each layer's calls as `inbound_nodes`. Keras 2 writes nested lists whose leaves
are `[layer, call, tensor, keywords]`, or `["_CONSTANT_VALUE", -1, value, keywords]`; a tensor among the keywords is
`[layer, call, tensor]`. Keras 3 writes tables of `args` and `kwargs`, in which a tensor is a `__keras_tensor__` whose
`keras_history` is `[layer, call, tensor]`. The calls of a layer are numbered from 0, those of a network within the
network from 1, since the call that made it counts.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any

from tinyc.core import limits

CONSTANT = "_CONSTANT_VALUE"
NEWER_TENSOR = "__keras_tensor__"
SHAPES = ("batch_input_shape", "batch_shape", "input_shape")
ENDS = ("input_layers", "output_layers")
Read = tuple[str, int]


def check_graph(config: Any, newer: bool) -> None:
    """Look at a network's layers and at what each of their calls reads.

    Args:
        config: the settings of a functional network.
        newer: Keras 3 reads it.

    Raises:
        ValueError: they are no layers, or one would be waited for without end.
    """
    if not isinstance(config, dict):
        raise ValueError("has no table of settings")
    named = layers(config)
    waiting = {name: [list(set(reads(node))) for node in nodes(layer)] for name, layer in named.items()}
    read = [each for calls in waiting.values() for call in calls for each in call]
    if len(read) > limits.LAYERS:
        raise ValueError(f"has calls that read {len(read):,} tensors; at most {limits.LAYERS:,} are read")
    for name, calls in waiting.items():
        if [] in calls:
            raise ValueError(f"holds {name[:80]!r}, which is called on no tensor")
    missing = next((layer for layer, _ in [*read, *ends(config)] if layer not in named), None)
    if missing is not None:
        raise ValueError(f"reads from {missing[:80]!r}, which is not one of its layers")
    left = stuck(waiting, {name: first_call(layer, newer) for name, layer in named.items()})
    if left is not None:
        raise ValueError(
            f"holds {left[:80]!r}, which can never be called: it and what it reads from wait for each other"
        )


def layers(config: Any) -> dict[str, Mapping[str, Any]]:
    """Return the layers of a network by their names."""
    found: dict[str, Mapping[str, Any]] = {}
    for layer in listed(config):
        name, inner = layer.get("name"), layer.get("config")
        if not isinstance(name, str) or not isinstance(inner, dict):
            raise ValueError(f"holds a layer ({str(layer['class_name'])[:80]}) without a name and a table of settings")
        own = inner.get("name", name)
        if own != name:
            raise ValueError(f"holds {name[:80]!r}, which calls itself {str(own)[:80]!r} in its own settings")
        if name in found:
            raise ValueError(f"holds {name[:80]!r}, a name that another layer has too")
        found[name] = layer
    return found


def listed(config: Any) -> list[Mapping[str, Any]]:
    """Return the tables of a network's layers; a sequence may be a plain list of them.

    Raises:
        ValueError: they are not a list of tables with a class each.
    """
    found = config.get("layers") if isinstance(config, dict) else config
    if not isinstance(found, list):
        raise ValueError("has no list of layers")
    for each in found:
        if not isinstance(each, dict) or "class_name" not in each:
            raise ValueError(f"holds {str(each)[:80]} among its layers, which is not a layer")
    return found


def nodes(layer: Mapping[str, Any]) -> list[Any]:
    """Return the calls of a layer."""
    found = layer.get("inbound_nodes")
    if not isinstance(found, list):
        raise ValueError(f"holds {layer['name'][:80]!r}, whose inbound_nodes are not a list")
    return found


def reads(node: Any) -> Iterator[Read]:
    """Yield every tensor that a call mentions.

    Raises:
        ValueError: one is not a layer's name with two whole numbers.
    """
    waiting = [node]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.get("class_name") == NEWER_TENSOR:
                inner = value.get("config")
                history = inner.get("keras_history") if isinstance(inner, dict) else None
                if not isinstance(history, list) or len(history) != 3 or not isinstance(history[0], str):
                    raise ValueError("has a call on a tensor that no layer gives")
            waiting += value.values()
        elif isinstance(value, list):
            if len(value) in (3, 4) and isinstance(value[0], str) and value[0] != CONSTANT:
                yield tensor(value)
            waiting += value


def tensor(given: list[Any]) -> Read:
    """Return one tensor as the layer and the call that give it."""
    name, call, place = given[:3]
    if type(call) is not int or type(place) is not int or call < 0 or place < 0:
        raise ValueError(f"has a call on {str(given[:3])[:80]}, which is not a tensor of a layer")
    return name, call


def ends(config: Any) -> list[Read]:
    """Return the tensors that a network takes and gives."""
    return [read for key in ENDS for read in reads(config.get(key))]


def stuck(waiting: Mapping[str, list[list[Read]]], ready: dict[str, int]) -> str | None:
    """Make every call whose tensors are there, until no more can be made; name a layer that is left with one."""
    left = {name: calls[::-1] for name, calls in waiting.items()}
    hopeful, watching = deque(left), defaultdict(set)
    while hopeful:
        name = hopeful.popleft()
        while left[name]:
            wanted = left[name][-1]
            while wanted and wanted[-1][1] < ready[wanted[-1][0]]:
                wanted.pop()
            if wanted:
                watching[wanted[-1][0]].add(name)
                break
            left[name].pop()
            ready[name] += 1
            hopeful.extend(watching.pop(name, ()))
    return next((name for name, calls in left.items() if calls), None)


def first_call(layer: Mapping[str, Any], newer: bool) -> int:
    """Return the number of calls that are there before any is made: an input's own, and the one that made a network."""
    inner, kind = layer.get("config"), layer.get("class_name")
    if kind != "Sequential" or newer:
        return int(kind in ("InputLayer", "Functional", "Model"))
    parts = inner.get("layers") if isinstance(inner, dict) else inner
    first = parts[0] if isinstance(parts, list) and parts and isinstance(parts[0], dict) else {}
    settings = first.get("config")
    shaped = isinstance(settings, dict) and any(key in settings for key in SHAPES)
    return int(shaped or first.get("class_name") in ("InputLayer", "Functional"))
