"""Rebuild a network with fewer channels, its weights sliced to those that stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.pruning.graph import ChannelGraph, Keep
from tinyc.compression.pruning.trace import Cut, Resize
from tinyc.network import backend


def remove_channels(model: Any, graph: ChannelGraph, keep: Keep) -> Any:
    """Build a fresh network without the channels that `keep`, (graph.count,), marks False.

    Layer names, connections and everything that no removed channel touches stay; `model` is not changed.
    """
    resizes: dict[str, list[Resize]] = {}
    for resize in graph.resizes:
        resizes.setdefault(resize.layer, []).append(resize)
    cuts: dict[str, list[Cut]] = {}
    for cut in graph.cuts:
        cuts.setdefault(cut.layer, []).append(cut)

    def smaller(layer: Any) -> Any:
        return type(layer).from_config(resized(layer.get_config(), resizes.get(layer.name, []), keep))

    result = backend.keras().models.clone_model(model, clone_function=smaller)
    for layer in model.layers:
        result.get_layer(layer.name).set_weights(sliced(layer, cuts.get(layer.name, []), keep))
    return result


def resized(config: Mapping[str, Any], resizes: list[Resize], keep: Keep) -> dict[str, Any]:
    """Write the new channel counts, and what is kept for each channel, into a layer's config."""
    changed = dict(config)
    for resize in resizes:
        if resize.values:
            changed[resize.key] = np.compress(keep[resize.channels], changed[resize.key], axis=-1).tolist()
            continue
        count = int(keep[resize.channels].sum())
        value = changed[resize.key]
        changed[resize.key] = (*value[:-1], count) if isinstance(value, list | tuple) else count
    return changed


def sliced(layer: Any, cuts: list[Cut], keep: Keep) -> list[NDArray[Any]]:
    """List a layer's weights in Keras' order, each without the channels that go."""
    values: list[NDArray[Any]] = layer.get_weights()
    places = {id(variable): place for place, variable in enumerate(layer.weights)}
    for cut in cuts:
        place = places[id(getattr(layer, cut.weight))]
        values[place] = np.compress(keep[cut.channels], values[place], axis=cut.axis)
    return values
