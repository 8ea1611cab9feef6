"""How much to prune at which layer: `only` and `skip` resolved to one fraction a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinyc.network import selectors
from tinyc.spec.selection import Selection


@dataclass(frozen=True)
class LayerAmount:
    """One entry of `only`: the layers it matches, with their own fraction and least share (None: the pass's)."""

    match: str
    fraction: float | None = None
    keep_least: float | None = None


@dataclass(frozen=True)
class LayerAmounts:
    """The fraction to prune of each selected layer, the names that `skip` took out, and what must stay of each."""

    fractions: Mapping[str, float]
    skipped: frozenset[str]
    keep_least: Mapping[str, float] = field(default_factory=dict)


def layer_amounts(entries: Iterable[str | Selection], magnitude: bool) -> list[LayerAmount]:
    """Turn the entries of `only` into what layers they mean."""
    return [
        LayerAmount(entry)
        if isinstance(entry, str)
        else LayerAmount(entry.match, entry.sparsity if magnitude else entry.fraction, entry.keep_least)
        for entry in entries
    ]


def resolve_amounts(
    model: Any, fraction: float, only: Sequence[LayerAmount], skip: Sequence[str], where: str, keep_least: float = 0.0
) -> LayerAmounts:
    """Give each layer its fraction: all layers where `only` is empty; the last match wins; `skip` wins over all.

    Raises:
        UserError: a selector matches no layer.
    """
    chosen = {} if only else {layer.name: fraction for layer in model.layers}
    least = {layer.name: keep_least for layer in model.layers}
    for amount in only:
        own = fraction if amount.fraction is None else amount.fraction
        matched = selectors.select(model, [amount.match], f"{where}.only")
        chosen.update({layer.name: own for layer in matched})
        least.update({layer.name: keep_least if amount.keep_least is None else amount.keep_least for layer in matched})
    left_out = frozenset(layer.name for layer in selectors.select(model, skip, f"{where}.skip"))
    return LayerAmounts({name: own for name, own in chosen.items() if name not in left_out}, left_out, least)
