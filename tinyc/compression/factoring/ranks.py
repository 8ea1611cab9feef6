"""Which rank each layer gets; full rank means that it stays as it is, since two factors would not be smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tinyc.compression.factoring.matrices import Factors
from tinyc.core.errors import UserError

End = Literal["lower", "upper"]


@dataclass(frozen=True)
class Amount:
    """How far to go; one of the three is given.

    Attributes:
        rank: the same for each layer.
        energy: fraction of the sum of squared singular values that each layer keeps.
        params: the fraction of all selected kernels' and tables' elements that stays, at most.
        rehearse: the weights are not trained yet: take the ranks that leave the fewest ("lower") or the most ("upper")
            parameters, whatever the weights will be.
    """

    rank: int | None = None
    energy: float | None = None
    params: float | None = None
    rehearse: End | None = None


def ranks(found: Sequence[Factors], amount: Amount, where: str) -> list[int | None]:
    """Choose the rank of each layer; None where it stays whole.

    Raises:
        UserError: not even rank 1 everywhere fits into `params`.
    """
    if amount.params is not None:
        return by_budget(found, amount.params, amount.rehearse, where)
    return [saving(each, own_rank(each, amount)) for each in found]


def saving(layer: Factors, rank: int) -> int | None:
    """Give a rank back if its factors are smaller than the layer."""
    return rank if rank * layer.price < layer.size else None


def own_rank(layer: Factors, amount: Amount) -> int:
    """Give the rank that one layer needs by itself."""
    if amount.rank is not None:
        return min(amount.rank, len(layer.values))
    energy = amount.energy or 1.0
    if amount.rehearse == "lower":
        return 1
    if amount.rehearse == "upper":
        # Energy falls from one rank to the next, so no spectrum needs more than one whose ranks all weigh the same.
        return int(np.ceil(energy * len(layer.values) - 1e-9))
    return int(np.searchsorted(np.cumsum(layer.shares), energy - 1e-9)) + 1


def by_budget(found: Sequence[Factors], fraction: float, end: End | None, where: str) -> list[int | None]:
    """Spend a budget of parameters on the singular values of all layers that keep most energy for each parameter.

    Energy is each layer's own share, so that layers of different scale are comparable. Each layer starts at rank 1.
    The budget is then spent to within one rank of the most expensive layer: so a rehearsal, which takes ranks evenly,
    stops one such rank short of it ("lower"), or as soon as it is reached ("upper").
    """
    budget = fraction * sum(layer.size for layer in found)
    chosen = [1] * len(found)
    spent = sum(map(cost, found, chosen))
    if spent > budget:
        share = spent / max(1, sum(layer.size for layer in found))
        raise UserError(where, f"params = {fraction:g} is too little: rank 1 alone takes {share:.3g} of the parameters",
                        "give more `params`, or name fewer layers in `only`")  # fmt: skip
    limit = budget - max((layer.price for layer in found), default=0) if end == "lower" else budget
    for place in order(found, even=end is not None):
        layer = found[place]
        price = cost(layer, chosen[place] + 1) - cost(layer, chosen[place])
        if end == "upper" and spent >= budget:
            break
        if end == "upper" or spent + price <= limit:
            chosen[place] += 1
            spent += price
    return [saving(layer, rank) for layer, rank in zip(found, chosen, strict=True)]


def cost(layer: Factors, rank: int) -> int:
    """Count the parameters of a layer at a rank: at most those of the layer as it is."""
    return min(rank * layer.price, layer.size)


def order(found: Sequence[Factors], even: bool) -> list[int]:
    """List the layers by place, once for each rank after the first, the most worthwhile rank first."""
    entries = []
    for place, layer in enumerate(found):
        shares = layer.shares
        for rank in range(1, len(shares)):
            worth = -rank / len(shares) if even else float(shares[rank]) / layer.price
            entries.append((-worth, place))
    return [place for _, place in sorted(entries)]
