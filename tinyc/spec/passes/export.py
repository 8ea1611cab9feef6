"""The pass `export`: the last that changes bytes; it writes the artifact and the sources around it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from tinyc.core import progress
from tinyc.core.errors import UserError
from tinyc.network.contract import Context, Outcome, Skipped
from tinyc.network.state import Flat
from tinyc.spec.contract import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinyc.codegen.front_c import FrontSource
    from tinyc.codegen.tokenizer_c import TokenizerSource
    from tinyc.tflite.run.pool import Pool, Run
    from tinyc.tflite.write.verified import Written

COMPARED, REHEARSED = 64, 4
"""Examples on which the rewritten artifact is compared, in a run and in a plan."""


def address(value: int | str) -> int:
    """Read an address, as a number or as text such as "0x08040000"."""
    try:
        return value if isinstance(value, int) else int(value, 0)
    except ValueError as error:
        raise ValueError(f'{value!r} is no address; write 0x08040000 or "0x08040000"') from error


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise ValueError("names a format twice")
    return values


class Export(BaseModel, frozen=True, extra="forbid"):
    """Write the artifact: .tflite, C sources with test vectors, Intel HEX, each with its SHA-256.

    The .tflite is stripped of all that neither TFLM nor the usual readers (PyPI's tflite, ethos-u-vela,
    ai-edge-litert) need, and compared on calibration examples under TFLM and the reference kernels: where an output
    changed, it is not stripped, and the report says so. A network for text comes
    with its tokenizer.json, and beside C sources with a tokenizer in C that gives the same ids; what `preprocess` put
    before a network comes as preprocess.json, and in C.
    """

    takes: ClassVar[Kind] = "flat"
    gives: ClassVar[Kind] = "flat"

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

    def apply(self, state: Flat, context: Context) -> Outcome:
        """Rewrite the artifact, check it, and write its files.

        Raises:
            UserError: TFLM lacks an operator of it, C cannot follow its tokenizer, or the .hex ends beyond 32 bits.
            MachineError: an interpreter's worker crashed.
        """
        from tinyc.tflite.run.pool import Pool

        state = self.with_softmax(state)
        with Pool() as pool:
            written = self.write(state, context, pool)
            inputs, split = self.examples(context, state)
            run = observe(written.content, inputs, pool)
        tokenizer = self.tokenizer(state)
        front = self.front(state, written.content)
        tables = {**state.tables, **(self.constants(state) if "c" in self.formats else {})}
        final = replace(state, content=written.content, tables={**tables, **tokenizer.tables, **front.tables})
        files = {**self.files(final, inputs, run), **tokenizer.files, **front.files}
        skipped = tuple(Skipped("model.tflite", f"not {why}") for why in written.rejected)
        facts = {**self.facts(state, written, files, split, run), "tables": dict(final.tables)}
        return Outcome(final, facts, files, skipped)

    def with_softmax(self, state: Flat) -> Flat:
        """End the artifact in probabilities where asked."""
        if not self.softmax or state.softmax:
            return state
        from tinyc.tflite.write.softmax import append_softmax

        return replace(state, content=append_softmax(state.content), softmax=True)

    def write(self, state: Flat, context: Context, pool: Pool) -> Written:
        """Strip and align the artifact, comparing outputs on calibration examples."""
        from tinyc.data import inputs
        from tinyc.tflite.write import verified

        count = COMPARED if context.rehearse is None else REHEARSED
        samples = inputs(context.data.calibration.x[:count], state.task)
        total = 2 * len(samples) * len(verified.EXACT)
        with progress.task(context.progress, "export: compare outputs", total) as shown:
            return verified.write(state.content, self.strip, samples, pool, shown.advance)

    def examples(self, context: Context, state: Flat) -> tuple[NDArray[Any], str]:
        """Draw the inputs of the test vectors, one at least; never from test."""
        import numpy as np

        from tinyc.data import inputs

        name = "validation" if len(context.data.validation) else "calibration"
        split = getattr(context.data, name)
        count = min(max(self.vectors, 1), len(split))
        chosen = np.sort(np.random.default_rng(context.seed).choice(len(split), count, replace=False))
        return inputs(split.x[chosen], state.task), name

    def tokenizer(self, state: Flat) -> TokenizerSource:
        """Write the tokenizer of a text task: its definition, and in C where C is asked for."""
        from tinyc.codegen.tokenizer_c import TokenizerSource, tokenizer_source

        used = state.task.tokenizer
        if used is None:
            return TokenizerSource({}, {})
        definition = {"tokenizer.json": used.definition.encode()}
        if "c" not in self.formats:
            return TokenizerSource(definition, {})
        source = tokenizer_source(used, self.name)
        return TokenizerSource({**definition, **source.files}, source.tables)

    def front(self, state: Flat, content: bytes) -> FrontSource:
        """Write what runs before the network: its definition, and in C where C is asked for."""
        from tinyc.codegen.front_c import FrontSource, definition, front_source
        from tinyc.tflite.read.flatbuffer import describe

        files = definition(state.task.front)
        if "c" not in self.formats or not files:
            return FrontSource(files, {})
        source = front_source(state.task, describe(content).inputs[0], self.name)
        return FrontSource({**files, **source.files}, source.tables)

    def constants(self, state: Flat) -> dict[str, int]:
        """Count the bytes of the labels, and of a scale and offset for each column where no front has them."""
        from tinyc.codegen.c_source import labels_bytes, scaling_bytes

        scaling = {"scaling": scaling_bytes(state.task)} if state.task.columns and not state.task.front else {}
        return {"labels": labels_bytes(state.task.classes), **scaling}

    def files(self, final: Flat, inputs: NDArray[Any], run: Run | None) -> dict[str, bytes]:
        """Write every file that is asked for, by name."""
        files: dict[str, bytes] = {}
        if "tflite" in self.formats:
            files["model.tflite"] = final.content
        if "c" in self.formats:
            files |= self.sources(final, inputs, run)
        if "hex" in self.formats:
            files["model.hex"] = self.hex(final.content)
        return files

    def sources(self, final: Flat, inputs: NDArray[Any], run: Run | None) -> dict[str, bytes]:
        """Write the C sources; test vectors need an interpreter that says what is expected."""
        from tinyc.codegen import c_source
        from tinyc.tflite.read.flatbuffer import describe
        from tinyc.tflite.read.quantization import quantize
        from tinyc.tflite.run.states import start_of

        files = c_source.model_data(final, self.name, run.arena_bytes if run else None)
        if run and self.vectors:
            described = describe(final.content)
            vectors = c_source.Vectors(
                quantize(inputs, described.inputs[0]), run.raw, run.runtime, start_of(described) != "as left"
            )
            files |= c_source.test_vectors(vectors, self.name)
        return files

    def hex(self, content: bytes) -> bytes:
        from tinyc.codegen.hex import fits, to_hex

        base = address(self.base_address)
        problem = fits(base, len(content))
        if problem:
            raise UserError("export.base_address", problem, "choose a lower address")
        return to_hex(content, base)

    def facts(
        self, state: Flat, written: Written, files: dict[str, bytes], split: str, run: Run | None
    ) -> dict[str, Any]:
        """State what was written, and what the stripping saved."""
        vectors = min(self.vectors, len(run.raw)) if run and "c" in self.formats else 0
        return {
            "written": written.how,
            "compared_under": list(written.runtimes),
            "compared_examples": written.examples,
            "bytes_before": len(state.content),
            "bytes_after": len(written.content),
            "bytes_saved": len(state.content) - len(written.content),
            "arena_bytes": run.arena_bytes if run else None,
            "test_vectors": {"count": vectors, "split": split, "runtime": run.runtime} if run and vectors else None,
            "files": {
                name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
            },
        }


def observe(content: bytes, inputs: NDArray[Any], pool: Pool) -> Run | None:
    """Run the finished artifact under TFLM, else under the reference kernels; None where neither is installed."""
    from tinyc.tflite.run import runtimes
    from tinyc.tflite.write.verified import EXACT

    runtime = next((each for each in EXACT if runtimes.version(each)), None)
    return pool.run(content, inputs, runtime) if runtime else None
