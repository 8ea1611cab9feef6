"""The layers that a recipe names for pruning, with amounts of their own."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field


class Selection(BaseModel, frozen=True, extra="forbid"):
    """Layers that share an amount of their own: `{ match = "conv5_*", fraction = 0.5 }`."""

    match: str = Field(description="a layer's name, a glob, re:..., or type:...")
    fraction: float | None = Field(None, gt=0, lt=1, description="share of each group's channels; else the pass's")
    sparsity: float | None = Field(None, gt=0, lt=1, description="share of weights set to zero; else the pass's")
    keep_least: float | None = Field(
        None, ge=0, le=1, description="share of each group's channels that stays at least; else the pass's"
    )


def refuse_amounts(selections: Iterable[Selection], magnitude: bool, rival: str | None) -> None:
    """Refuse amounts of single layers that a pass could not keep.

    Args:
        magnitude: the pass sets weights to zero, else it removes channels.
        rival: the option of the pass that decides all layers' amounts, as it stands in the recipe; None: there is none.

    Raises:
        ValueError: one does not go with the pass.
    """
    own, others = ("sparsity", ("fraction", "keep_least")) if magnitude else ("fraction", ("sparsity",))
    for table in selections:
        for other in others:
            if getattr(table, other) is not None:
                how = "magnitude" if magnitude else "channels"
                raise ValueError(f'`only` of {table.match!r}: `{other}` does not go with how = "{how}"')
        if getattr(table, own) is not None and rival:
            raise ValueError(f"`only` of {table.match!r}: no `{own}` of its own under {rival}")
