"""The pass `export`: the last that changes bytes; it writes the artifact and the sources around it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypedDict

from pydantic import AfterValidator, Field, model_validator

from tinyc.core.units import Bytes
from tinyc.spec.contract import Kind, Pass
from tinyc.spec.effects import Effects, Place


def address(value: int | str) -> int:
    """Read an address, as a number or as text such as "0x08040000"."""
    try:
        return value if isinstance(value, int) else int(value, 0)
    except ValueError as error:
        raise ValueError(f'{value!r} is not an address; write 0x08040000 or "0x08040000"') from error


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise ValueError("names a format twice")
    return values


Vectors = TypedDict("Vectors", {"count": int, "split": str, "runtime": str})
Written = TypedDict("Written", {"bytes": Bytes, "sha256": str})
ExportFacts = TypedDict("ExportFacts", {
    "written": str, "compared_under": list[str], "compared_examples": int, "bytes_before": Bytes, "bytes_after": Bytes,
    "bytes_saved": Bytes, "arena_bytes": Bytes | None, "test_vectors": Vectors | None, "files": dict[str, Written],
    "tables": dict[str, Bytes],
})  # fmt: skip
"""What was written, and what the stripping saved."""


class Export(Pass, frozen=True, extra="forbid"):
    """Write the artifact: .tflite, C sources with test vectors, Intel HEX, each with its SHA-256.

    The .tflite is stripped of all that neither TFLM nor the usual readers (PyPI's tflite, ethos-u-vela,
    ai-edge-litert) need, and compared on calibration examples under TFLM and the reference kernels: where an output
    changed, it is not stripped, and the report says so. A network for text comes
    with its tokenizer.json, and beside C sources with a tokenizer in C that gives the same ids; what `preprocess` put
    before a network comes as preprocess.json, and in C.
    """

    takes: ClassVar[Kind] = "flat"
    gives: ClassVar[Kind] = "flat"
    facts: ClassVar[type] = ExportFacts

    use: Literal["export"]
    formats: Annotated[tuple[Literal["tflite", "c", "hex"], ...], AfterValidator(distinct)] = Field(
        ("tflite", "c"), min_length=1, description="files to write: tflite, c (array, header, test vectors), hex"
    )
    strip: bool = Field(True, description="remove names, calibrated ranges, notes and repeated parts")
    softmax: bool = Field(
        False, description="end in probabilities (steps of 1/256), which makes confident classes equal, not in logits"
    )
    base_address: Annotated[int | str, AfterValidator(address)] = Field(
        0, description='hex: where in flash the artifact begins, e.g. 0x08040000 or "0x08040000"; a multiple of 16'
    )
    vectors: int = Field(8, ge=0, le=1000, description="c: test vectors, drawn from the validation split")
    name: str = Field(
        "model", pattern=r"^[a-z][a-z0-9_]{0,31}$", description="c: what the names begin with: g_model, MODEL_BYTES"
    )

    @model_validator(mode="after")
    def address_fits(self) -> Self:
        """Refuse an address that TFLM cannot read from, or that no .hex would carry."""
        base = address(self.base_address)
        if base and "hex" not in self.formats:
            raise ValueError('`base_address` is for the .hex file; add "hex" to `formats`')
        if not 0 <= base < 1 << 32 or base % 16:
            raise ValueError(f"`base_address` {base:#x} must be a multiple of 16 in 32 bits")
        return self

    @property
    def effects(self) -> Effects:
        """It writes the last bytes."""
        return Effects(place=Place.WRITE, for_device=True)
