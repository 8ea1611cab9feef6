"""The pass `compact`: tensors of few values become weight tables that TensorFlow Lite Micro decodes."""

from __future__ import annotations

from typing import ClassVar, Literal, NotRequired, TypedDict

from pydantic import Field

from tinyc.core.units import Bytes
from tinyc.spec.contract import Kind, Pass
from tinyc.spec.effects import Effects, Made, Need, Once, Place, Want

Tensor = TypedDict("Tensor", {
    "layer": str, "op": str, "bits": int, "values": int, "table_per": str, "before_bytes": Bytes, "after_bytes": Bytes,
})  # fmt: skip
CompactFacts = TypedDict("CompactFacts", {
    "tables": int, "why": NotRequired[str], "tensors": list[Tensor], "not_smaller_in_a_table": NotRequired[int],
    "file_bytes_before": Bytes, "stripped_bytes": Bytes, "file_bytes_after": Bytes,
    "arena_bytes_before": NotRequired[Bytes | None], "arena_bytes_after": NotRequired[Bytes | None],
    "bit_exact": NotRequired[bool], "compared_under": NotRequired[str], "compared_examples": NotRequired[int],
    "compared_split": NotRequired[str], "needs": NotRequired[str], "no_longer_runs_on": NotRequired[str],
    "on_the_device": NotRequired[str],
})  # fmt: skip
"""What each table saves, and what it costs: arena, and every interpreter but one; or `why` there is none."""


class Compact(Pass, frozen=True, extra="forbid"):
    """Store tensors of at most 2, 4, ... 128 values (a channel) as indices of 1 to 7 bits and a table.

    Where a table pays, the artifact is stripped first; where none does, it stays as it was. A tensor is put into a
    table where that makes the file smaller, and TensorFlow Lite Micro must give the same outputs to the bit on
    calibration examples; a table under which it does not is left out. Weights are decoded into the arena, which grows.
    The artifact then runs under TensorFlow Lite Micro alone, and needs its operator TFLM_DECODE.
    """

    takes: ClassVar[Kind] = "flat"
    gives: ClassVar[Kind] = "flat"
    facts: ClassVar[type] = CompactFacts

    use: Literal["compact"]
    bits_most: int = Field(7, ge=1, le=7, description="the widest index, in bits; a tensor of 2^bits values fits")
    only: tuple[str, ...] | None = Field(
        None, min_length=1, description="layers to store so: a name, a glob, re:... or type:CONV_2D"
    )
    skip: tuple[str, ...] = Field((), description="layers to store as they are, by the same selectors")

    @property
    def effects(self) -> Effects:
        """The file holds tables, of the tensors that have few values."""
        few = (
            "makes tables of tensors with few values, and no cluster pass made such; only those that have few by "
            "themselves get smaller"
        )
        return Effects(
            place=Place.TABLES,
            once=Once("the first has written every table that makes the file smaller"),
            makes=(Made("stored tables"),),
            wants=(Want(("tables", "mixed bits"), "before", few),),
            needs=(Need("weight tables", "stores weights in tables", "leave the pass out"),),
        )
