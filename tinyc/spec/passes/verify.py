"""The pass `verify`: the artifact under TensorFlow Lite Micro against tflite-runtime, on the whole test set."""

from __future__ import annotations

from typing import ClassVar, Literal, TypedDict

from pydantic import Field

from tinyc.core.units import Bytes, Fraction, Seconds
from tinyc.spec.contract import Kind, Pass
from tinyc.spec.effects import Effects, Place

Ran = TypedDict("Ran", {"version": str, "accuracy": Fraction | None, "seconds": Seconds})
NoNumbers = TypedDict("NoNumbers", {"examples": int, "left": dict[str, int], "right": dict[str, int]})
FirstOp = TypedDict("FirstOp", {"index": int, "op": str, "layer": str | None, "where": str})
Difference = TypedDict("Difference", {
    "left": str, "right": str, "allowed_steps": int, "examples": int | None, "first_example": int | None,
    "identical": bool | None, "max_steps": int | None, "top1": int | None, "no_numbers": NoNumbers | None,
    "first_op": FirstOp | None,
})  # fmt: skip
"""Where two runtimes differ, in quantization steps; all None where one of them is not installed."""
Compared = TypedDict("Compared", {
    "agreed": bool, "why": str | None, "notes": list[str], "examples": int, "state": str | None,
    "runtimes": dict[str, Ran | None], "differences": list[Difference], "arena_bytes": Bytes | None,
    "ops": dict[str, int],
})  # fmt: skip
"""An artifact under every runtime; `agreed` is the verdict, and `why` it is not."""


class Verify(Pass, frozen=True, extra="forbid"):
    """Run the artifact on the whole test set under TFLM, tflite-runtime's reference kernels and its fast kernels.

    TFLM is expected to equal the reference kernels to the bit: where it does not, the command exits with 1, but for one
    step in at most 1 % of the examples. The fast kernels are expected within one step. Whatever is beyond is said with
    the first operator after which the tensors part. Where the network keeps state, each example starts from a reset
    interpreter. NaN and infinity must come in the same places.
    An operator that TFLM lacks is an error that names its layers and what to write instead.
    """

    takes: ClassVar[Kind] = "flat"
    gives: ClassVar[Kind] = "flat"
    facts: ClassVar[type] = Compared

    use: Literal["verify"] = Field("verify", description="compare TFLM with tflite-runtime on the test set")

    @property
    def effects(self) -> Effects:
        """It changes nothing, and checks the last bytes."""
        return Effects(place=Place.CHECK)
