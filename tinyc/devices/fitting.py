"""Whether a runtime computes every operator of an artifact rightly: from data alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from tinyc.core.errors import UserError
from tinyc.devices.abilities import LAYERS, TABLE_DECODER, dense
from tinyc.devices.board import Board
from tinyc.devices.runtime import Runtime, ValueType
from tinyc.devices.work import Work

Severity = Literal["missing", "wrong", "reported"]
"""missing: the runtime refuses the file; wrong: it computes wrong numbers without an error; reported: wrong numbers of
such operators have been reported, on some boards or in some cases."""
VALUE_TYPES = frozenset(get_args(ValueType))
"""The types that the files of runtimes speak of: of others they say nothing, and TFLM has none of them."""
UNTYPED = ("", "resource", "variant")
"""What the handles of variables are: no kernel is chosen by it."""
CUSTOM = (TABLE_DECODER, "CIRCULAR_BUFFER")
"""Custom operators that are written like builtin ones."""
HALVED = ("int4", "uint4")
DENSE = "FULLY_CONNECTED"
PLACES_NAMED = 3
ETHOS_U = "ethos-u"
"""What Vela makes of the operators that an Ethos-U runs; ports have it where they are built for one."""


@dataclass(frozen=True)
class Problem:
    """What a runtime makes wrong of some operators of one kind, and what to write instead.

    `places` names the operators of the artifact, as people do.
    """

    severity: Severity
    operator: str
    what: str
    remedy: str
    places: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Say it in one sentence, with the first few places."""
        rest = len(self.places) - PLACES_NAMED
        more = f" and {rest} more" if rest > 0 else ""
        return f"{self.operator} {self.what} ({', '.join(self.places[:PLACES_NAMED])}{more})"


def problems(works: Sequence[Work], runtime: Runtime, board: Board | None = None) -> tuple[Problem, ...]:
    """List what a runtime lacks or computes wrongly, the worst first; nothing is said where no source tells."""
    found: dict[tuple[Severity, str, str, str], list[str]] = {}
    for work in works:
        for severity, what, remedy in faults_of(work, runtime, board):
            found.setdefault((severity, work.operator, what, remedy), []).append(work.where)
    listed = [
        Problem(severity, operator, what, remedy, tuple(places))
        for (severity, operator, what, remedy), places in found.items()
    ]
    return tuple(sorted(listed, key=lambda each: get_args(Severity).index(each.severity)))


def faults_of(work: Work, runtime: Runtime, board: Board | None) -> Iterator[tuple[Severity, str, str]]:
    """Yield what goes wrong with one operator: how badly, what, and what to write instead."""
    types = runtime.operators.get(work.operator)
    if work.operator == ETHOS_U and board is not None and board.npu is None:
        yield "missing", f"needs an Ethos-U, which {board.title} has not", "compile for a board with one"
    if types is None or (work.custom and work.operator.isupper() and work.operator not in CUSTOM):
        yield "missing", "is not in it", REMEDIES.get(work.operator, "build the network without it")
        return
    if work.values not in (*types, *UNTYPED) and (runtime.kind == "tflm" or work.values in VALUE_TYPES):
        yield "missing", f"takes {', '.join(types)}, and not {work.values}", REMEDIES.get(work.values, "quantize it")
    if runtime.kind == "tflm" and any(size < 0 for shape in (*work.inputs, work.output) for size in shape):
        yield "missing", "has an open shape, and memory is laid out before it runs", "convert it with a fixed shape"
    if runtime.kind == "tflm" and is_hybrid(work):
        yield "missing", f"takes no {work.weights} weights with {work.values} values", "quantize the values too"
    if work.weights in HALVED and runtime.int4 is not None and work.operator not in runtime.int4:
        yield "missing", "does not take weights of four bits", 'write weights = "int8" in `quantize`'
    verdict = dense(runtime) if is_scaled_dense(work) else None
    if verdict:
        severity: Severity = "wrong" if runtime.per_channel_dense == "wrong" else "missing"
        yield severity, "has a scale for each output, which it " + HOW[severity], "write per_channel_dense = false"
    yield from reported(work, runtime, board)


HOW: Mapping[Severity, str] = {"missing": "refuses", "wrong": "computes wrongly, without an error"}
REMEDIES: Mapping[str, str] = {
    TABLE_DECODER: "leave `compact` out",
    "BATCH_MATMUL": "build the network without attention",
    "int16": 'write activations = "int8" in `quantize`',
}
"""What to write instead of an operator or a type that a runtime lacks."""


def is_hybrid(work: Work) -> bool:
    """Say whether an operator has integer weights and floating-point values, as dynamic-range quantization makes it."""
    weights = work.weights or ""
    return work.operator in LAYERS and work.values.startswith("float") and weights.startswith(("int", "uint"))


def is_scaled_dense(work: Work) -> bool:
    """Say whether an operator is a Dense layer on integers with a scale for each output."""
    return work.operator == DENSE and work.is_per_channel and work.values in ("int8", "int16")


def reported(work: Work, runtime: Runtime, board: Board | None) -> Iterator[tuple[Severity, str, str]]:
    """Yield the wrong results on record for an operator, where they may be those of this board."""
    for fault in runtime.faults:
        here = not fault.cores or (board is not None and board.core in fault.cores)
        if work.operator in fault.operators and here and (work.is_per_channel or not fault.scaled):
            yield (
                "reported",
                f"has a wrong result on record: {fault.what} ({fault.source}; {fault.state})",
                ("compare the test vectors on the device"),
            )


def require(works: Sequence[Work], runtime: Runtime, board: Board | None, having: Sequence[Runtime]) -> None:
    """Refuse an artifact that a runtime refuses or computes wrongly.

    Args:
        having: other runtimes, of which those that compute it are offered.

    Raises:
        UserError: the worst problem, with what to write instead.
    """
    worst = next((each for each in problems(works, runtime, board) if each.severity != "reported"), None)
    if worst is None:
        return
    others = [each.name for each in having if computes(works, each)]
    remedy = f"{worst.remedy}, or choose a `runtime` that computes it: {', '.join(others)}" if others else worst.remedy
    raise UserError(runtime.title, worst.sentence, remedy)


def computes(works: Sequence[Work], runtime: Runtime) -> bool:
    """Say whether a runtime computes an artifact, for all that is known."""
    return all(each.severity == "reported" for each in problems(works, runtime))
