"""A runtime as data: a port of TensorFlow Lite Micro that boards run, or an interpreter under Linux."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from tinyc.core.spelling import nearest
from tinyc.devices.scratch import FORMULAS
from tinyc.devices.table import Name, Sourced, Table

Verdict = Literal["right", "refused", "wrong"]
"""What a runtime makes of something: the right numbers, a message, or wrong numbers without one."""
ValueType = Literal["int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "float32", "bool"]
Kernels = Literal["reference", "cmsis-nn", "esp-nn", "helia", "xnnpack"]
Share = Annotated[float, Field(ge=0, le=4)]


class Scratch(Table, frozen=True):
    """What one or more operators ask of the arena, beyond their tensors: while they run, or for good (`lasting`).

    `formula` names a function of `devices.scratch`; where no source says how much it is, `share` of the operator's
    input and output bytes is reckoned with instead, and shown as such.
    """

    operators: tuple[str, ...] = Field(min_length=1)
    cores: tuple[str, ...] = Field((), description="cores that it is asked on; none given is all")
    formula: str | None = None
    share: Share | None = None
    lasting: bool = Field(False, description="asked for when the model is loaded and never given back")
    source: str

    @field_validator("formula")
    @classmethod
    def formula_is_known(cls, formula: str | None) -> str | None:
        """Refuse the name of no formula."""
        if formula is not None and formula not in FORMULAS:
            close = nearest(formula, FORMULAS)
            known = f"did you mean {close[0]!r}?" if close else f"formulas are {', '.join(FORMULAS)}"
            raise ValueError(f"unknown formula {formula!r}: {known}")
        return formula

    @model_validator(mode="after")
    def one_of_both(self) -> Scratch:
        """Ask for a formula or for a share."""
        if (self.formula is None) == (self.share is None):
            raise ValueError("needs one of `formula` and `share`")
        return self


class Fault(Table, frozen=True):
    """A wrong result on record: which operators, on which cores, what happens, and where it was reported."""

    operators: tuple[str, ...] = Field(min_length=1)
    what: str
    state: str
    source: str
    cores: tuple[str, ...] = Field((), description="cores that it was seen on; none given is all")
    scaled: bool = Field(False, description="only where the weights have a scale for each output")


class Runtime(Sourced, frozen=True):
    """One runtime: `operators` lists, by their names in the schema, the types of values that each computes.

    A type is that of what an operator takes; of what it gives for GATHER, GATHER_ND, EMBEDDING_LOOKUP, SELECT and
    SELECT_V2, which take indices or a condition, and where it takes none.

    A fact that no source tells is left out; it is shown as a dash, and decides nothing.
    """

    name: Name
    title: str
    kind: Literal["tflm", "interpreter"] = "tflm"
    repository: str | None = None
    version: str | None = Field(None, description="the version or branch that was read")
    commit: str | None = Field(None, description="the commit that was read")
    read: str | None = Field(None, description="the date of what was read")
    operators: dict[str, tuple[ValueType, ...]] = Field(min_length=1)
    int4: tuple[str, ...] | None = Field(None, description="operators that take weights of four bits")
    per_channel_dense: Verdict | None = None
    rounding: Literal["2023", "2024"] | None = Field(
        None, description="the generation of its arithmetic, which decides whether test vectors match to the bit"
    )
    kernels: Kernels | None = Field(None, description="its optimized kernels")
    optimized: tuple[str, ...] | None = Field(None, description="operators that they replace")
    scratch: tuple[Scratch, ...] = ()
    faults: tuple[Fault, ...] = ()
    add: str | None = Field(None, description="how it is added to a project")
    headers: tuple[str, ...] | None = None
    resolver: str | None = Field(None, description="the class that operators are registered with")

    @field_validator("operators")
    @classmethod
    def names_are_of_the_schema(cls, operators: dict[str, tuple[ValueType, ...]]) -> dict[str, tuple[ValueType, ...]]:
        """Refuse an operator without any type."""
        bare = next((name for name, types in operators.items() if not types), None)
        if bare is not None:
            raise ValueError(f"gives no type of values for {bare}")
        return operators

    @model_validator(mode="after")
    def lists_agree(self) -> Runtime:
        """Refuse four bits, optimized kernels, scratch and faults of operators that it has not."""
        named = {
            "int4": self.int4 or (),
            "optimized": self.optimized or (),
            "scratch": [name for each in self.scratch for name in each.operators],
            "faults": [name for each in self.faults for name in each.operators],
        }
        for key, names in named.items():
            unknown = next((name for name in names if name not in self.operators), None)
            if unknown is not None:
                raise ValueError(f"`{key}` names {unknown}, which `operators` lacks")
        return self

    @property
    def has_tables(self) -> bool:
        """Say whether it decodes weight tables."""
        return "TFLM_DECODE" in self.operators
