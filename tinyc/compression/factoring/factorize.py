"""Replace layers by two thin ones each; the network around them stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.factoring.matrices import Factors, candidates, factors
from tinyc.compression.factoring.ranks import Amount, ranks
from tinyc.compression.pruning.layer_amounts import LayerAmounts
from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.checks import require_functional
from tinyc.network.contract import Skipped
from tinyc.network.flatten import Copy, name_of, replay


@dataclass(frozen=True)
class Thin:
    """One factorized layer: its decomposition, its rank, and the names of its two layers, in order."""

    factors: Factors
    rank: int
    names: tuple[str, str]

    @property
    def energy(self) -> float:
        """Fraction of the squared singular values that stays."""
        return float(self.factors.shares[: self.rank].sum())

    @property
    def error(self) -> float:
        """Frobenius norm of what is lost, as a fraction of the matrix's."""
        return float(np.sqrt(self.factors.shares[self.rank :].sum()))


@dataclass(frozen=True)
class Factorized:
    """A fresh network with thin layers, and the layers that were left alone."""

    model: Any
    layers: tuple[Thin, ...]
    skipped: tuple[Skipped, ...]


def replace_layers(model: Any, amount: Amount, amounts: LayerAmounts, where: str) -> Factorized:
    """Factorize the selected layers of a functional network where that saves parameters; `model` is not changed.

    Raises:
        UserError: the network is subclassed, no selected layer can be factorized, or `params` is too little.
    """
    require_functional(model)
    able, unable = candidates(model, amounts.fractions)
    if not able:
        raise nothing_to_factorize(where, unable)
    found = [factors(layer) for layer in able]
    chosen = ranks(found, amount, where)
    whole = [Skipped(each.layer, why_whole(each, amount)) for each, rank in zip(found, chosen, strict=True) if not rank]
    if amount.rank is not None and len(whole) == len(found):
        raise nothing_to_factorize(where, whole)
    taken = {layer.name for layer in model.layers}
    kinds = {layer.name: type(layer).__name__ for layer in able}
    thin = [
        Thin(each, rank, names(each.layer, kinds[each.layer], taken))
        for each, rank in zip(found, chosen, strict=True)
        if rank
    ]
    return Factorized(rebuilt(model, {each.factors.layer: each for each in thin}), tuple(thin), (*unable, *whole))


def nothing_to_factorize(where: str, skipped: list[Skipped]) -> UserError:
    reasons = "; ".join(f"{each.layer}: {each.why}" for each in skipped[:8]) or "no selected layer has a matrix"
    return UserError(
        where, f"no layer can be factorized ({reasons})", "name other layers in `only`, or lower the amount"
    )


def why_whole(layer: Factors, amount: Amount) -> str:
    """Say why a layer's factors would not be smaller."""
    most = (layer.size - 1) // layer.price
    if most < 1:
        return f"{layer.shape[0]}x{layer.shape[1]} saves nothing at any rank"
    reason = "`params` leaves it room for more" if amount.params is not None else "it would get a higher one"
    return f"{layer.shape[0]}x{layer.shape[1]} saves only up to rank {most}, and {reason}"


def names(name: str, kind: str, taken: set[str]) -> tuple[str, str]:
    """Name the two layers: a table keeps its name and NAME_up follows; else NAME_down goes before NAME.

    Where that name is taken, a number is added.
    """
    wanted = f"{name}_up" if kind == "TokenEmbedding" else f"{name}_down"
    added, number = wanted, 2
    while added in taken:
        added, number = f"{wanted}_{number}", number + 1
    taken.add(added)
    return (name, added) if kind == "TokenEmbedding" else (added, name)


def rebuilt(model: Any, thin: Mapping[str, Thin]) -> Any:
    """Build the network anew with two layers for each in `thin`, all others with their weights."""
    keras = backend.keras()
    copy = Copy("factorize")
    inputs = [keras.Input(batch_shape=each.shape, dtype=each.dtype, name=name_of(each)) for each in model.inputs]
    pairs = [(layer, *pair(layer, thin[layer.name])) for layer in model.layers if layer.name in thin]
    chains = {id(layer): (layer, chain(first, last)) for layer, first, last in pairs}
    copy.layers.update(chains)
    result = keras.Model(inputs, replay(model, inputs, copy, prefix="", training=None), name=model.name)
    for old, new in (both for key, both in copy.layers.items() if key not in chains):
        new.set_weights(old.get_weights())
    for layer, first, last in pairs:
        down, up = halves(layer, thin[layer.name])
        first.set_weights([down])
        last.set_weights([up, *layer.get_weights()[1:]])
    return result


def chain(first: Any, last: Any) -> Callable[[Any], Any]:
    return lambda given: last(first(given))


def pair(layer: Any, thin: Thin) -> tuple[Any, Any]:
    """Build the two layers that stand for one, without weights yet."""
    kind = type(layer)
    first, last = (dict(layer.get_config(), name=name) for name in thin.names)
    if kind.__name__ == "TokenEmbedding":
        first["width"] = thin.rank
        return kind.from_config(first), backend.keras().layers.Dense(layer.width, use_bias=False, name=thin.names[1])
    # What stands behind the matrix, bias and activation, stays with the last; the stride is done first.
    count = "filters" if kind.__name__ == "Conv2D" else "units"
    first |= {count: thin.rank, "use_bias": False, "activation": "linear", "activity_regularizer": None}
    if kind.__name__ == "Conv2D":
        last["strides"] = (1, 1)
    return kind.from_config(first), kind.from_config(last)


def halves(layer: Any, thin: Thin) -> list[NDArray[Any]]:
    """Give the weights of the two layers."""
    thin_ones = [half.astype(np.float32) for half in thin.factors.halves(thin.rank)]
    return [half[None, None] for half in thin_ones] if type(layer).__name__ == "Conv2D" else thin_ones
