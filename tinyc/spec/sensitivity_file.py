"""What was measured, as `sensitivity.json` holds it: each group's channels cut by amounts, each layer by bits."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from tinyc.core import files, limits
from tinyc.core.errors import UserError

Fraction = Annotated[float, Field(ge=0, le=1)]
Loss = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
# A drop of exactly the bound must not fail by the last bit of a subtraction.
ROUNDING = 1e-9
NAMED = 3


@dataclass(frozen=True)
class Score:
    """Accuracy (a fraction) and mean cross-entropy (nats)."""

    accuracy: Fraction
    loss: Loss


@dataclass(frozen=True)
class CutScore:
    """The network without `fraction` of one group's channels, the lowest by l1 norm; nothing is trained after."""

    fraction: Fraction
    accuracy: Fraction
    loss: Loss


@dataclass(frozen=True)
class LayerBits:
    """The network with one layer's weights rounded to `bits`; all else stays float."""

    layer: str
    bits: Annotated[int, Field(ge=2, le=8)]
    accuracy: Fraction
    loss: Loss


@dataclass(frozen=True)
class Skip:
    """A layer whose channels cannot be cut, and why."""

    layer: str
    why: str


@dataclass(frozen=True)
class GroupCuts:
    """One group of coupled channels.

    Attributes:
        layers: the layers that make them, in the network's order.
        channels: how many there are (heads, where `attentions` names layers).
        params, macs: the elements of weights, and the multiplications an inference, that belong to them.
        cuts: by rising fraction.
    """

    layers: tuple[str, ...]
    channels: Count
    params: Count
    macs: Count
    cuts: tuple[CutScore, ...]
    attentions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sensitivity:
    """All that `tinyc sensitivity` measured of one network.

    Attributes:
        after: the step of the recipe that left the network, such as "1 distill"; None for the source.
        examples, split: how many examples it was measured on, and of which split; never of test.
        base: the network as it is.
        groups: in the network's order, the groups that can be cut.
        int8: layer by layer in the network's order, each at 8 bits and fewer.
        skipped: layers whose channels cannot be cut.
    """

    schema: Literal[1]
    recipe: str
    examples: Annotated[int, Field(ge=1)]
    split: str
    base: Score
    groups: tuple[GroupCuts, ...]
    int8: tuple[LayerBits, ...]
    skipped: tuple[Skip, ...] = ()
    seed: int = 0
    after: str | None = None

    def amounts(self, drop: float) -> dict[tuple[str, ...], float]:
        """Give for each group the largest fraction up to which all measured ones stay within `drop` (a fraction).

        A larger fraction that does better than a smaller one that fails does so by the noise of the examples, and does
        not count. 0 where the smallest fraction fails.
        """
        lowest = self.base.accuracy - drop - ROUNDING
        return {group.layers: largest_within(group.cuts, lowest) for group in self.groups}

    def require_fit(self, channels: Mapping[tuple[str, ...], int], where: str) -> None:
        """Refuse a network of other sizes; `channels` counts those of its groups by their layers.

        Raises:
            UserError: a group had more or fewer channels when it was measured.
        """
        for group in self.groups:
            count = channels.get(group.layers, group.channels)
            if count != group.channels:
                raise UserError(
                    where,
                    f"{first_layers(group.layers)} had {group.channels} channels when measured and have {count} in the "
                    "network that this pass gets",
                    "measure again by: tinyc sensitivity RECIPE, with --after STEP where a pass stands before",
                )

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def largest_within(cuts: Sequence[CutScore], lowest: float) -> float:
    """Climb the fractions as long as the accuracy is not below `lowest`."""
    rising = sorted(cuts, key=lambda cut: cut.fraction)
    kept = itertools.takewhile(lambda cut: cut.accuracy >= lowest, rising)
    return max((cut.fraction for cut in kept), default=0.0)


def first_layers(layers: Sequence[str]) -> str:
    """List a group's first layers, and how many more there are."""
    more = len(layers) - NAMED
    return ", ".join(layers[:NAMED]) + (f" and {more} more" if more > 0 else "")


def load_sensitivity(path: Path) -> Sensitivity:
    """Read what `tinyc sensitivity` wrote.

    Raises:
        UserError: there is no such file, or it is none that the command writes.
    """
    remedy = "make it by: tinyc sensitivity RECIPE"
    try:
        found: Sensitivity = adapter().validate_json(files.read(path, limits.JSON_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        problem = f"{place}: {first['msg']}" if place else first["msg"]
        raise UserError(str(path), f"is not a sensitivity.json: {problem}", remedy) from error
    return found


@functools.cache
def adapter() -> Any:
    return TypeAdapter(Sensitivity)
