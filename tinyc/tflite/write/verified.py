"""Choose the smallest writing of an artifact that still computes the same, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tinyc.core.errors import TinycError
from tinyc.tflite.read import operators
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run import runtimes
from tinyc.tflite.run.output_difference import differing, identical
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.run.runtimes import Runtime
from tinyc.tflite.write.strip import align, strip

EXACT: tuple[Runtime, ...] = ("tflm", "reference")


@dataclass(frozen=True)
class Written:
    """An artifact as it is exported.

    Attributes:
        content: the bytes.
        how: "stripped", "aligned" (all it said, with aligned buffers), or "as converted".
        runtimes: the interpreters under which its outputs were compared; empty where none is installed.
        examples: how many examples were compared.
        rejected: why a smaller writing was not taken, in the order of trial.
    """

    content: bytes
    how: str
    runtimes: tuple[str, ...]
    examples: int
    rejected: tuple[str, ...]


def write_verified(
    content: bytes, stripped: bool, samples: NDArray[Any], pool: Pool, advance: Callable[[int], None]
) -> Written:
    """Write an artifact without what no device needs, if that changes no output.

    Args:
        content: the artifact; one with weight tables is compared under TFLM alone.
        stripped: False keeps names and all else, and only aligns.
        samples: (examples, *input shape) as the network sees them.
    """
    able: tuple[Runtime, ...] = ("tflm",) if operators.tflm_only(describe(content)) else EXACT
    installed = tuple(runtime for runtime in able if runtimes.version(runtime))
    if not installed:
        return Written(content, "as converted", (), 0, ("no interpreter is installed to compare outputs with",))
    expected = {runtime: pool.run(content, samples, runtime, advance=advance).raw for runtime in installed}
    rejected: list[str] = []
    for how, rewrite in (("stripped", strip), ("aligned", align))[0 if stripped else 1 :]:
        candidate = rewrite(content)
        why = difference(candidate, expected, samples, pool, advance)
        if why is None:
            return Written(candidate, how, installed, len(samples), tuple(rejected))
        rejected.append(f"{how}: {why}")
    return Written(content, "as converted", installed, len(samples), tuple(rejected))


def difference(
    candidate: bytes,
    expected: dict[Runtime, NDArray[Any]],
    samples: NDArray[Any],
    pool: Pool,
    advance: Callable[[int], None],
) -> str | None:
    """Say under which runtime a rewritten artifact fails or computes something else; None where it does not."""
    for runtime, outputs in expected.items():
        try:
            got = pool.run(candidate, samples, runtime, advance=advance).raw
        except TinycError as error:
            return f"{runtime} refuses it: {error.problem}"
        if not identical(got, outputs):
            return f"{differing(got, outputs)} of {len(samples)} outputs differ under {runtime}"
    return None
