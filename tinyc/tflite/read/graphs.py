"""How often each graph of a file runs in one inference: branches, calls, and loops that count.

A file's main graph may hand work to others. The body of a loop runs as often as its counter says, where there is one:

    counter = start; while (counter < limit) { ...; counter = counter + step; }

with start, limit and step constant, as Keras' recurrent layers and loops over a range become. How often anything else
runs depends on what is computed, and is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinyc.tflite.read.description import Op
from tinyc.tflite.read.multiplications import FORMULAS
from tinyc.tflite.read.schema import schema

Number = Callable[[int], int | None]
"""Gives the whole number that a constant tensor holds; None where it is computed, or not one number."""


@dataclass(frozen=True)
class Graph:
    """One graph; tensors by index into `Description.tensors`."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    ops: tuple[Op, ...]


@dataclass(frozen=True)
class Call:
    """An operator of graph `caller` that runs another graph, so many times each time that it runs itself."""

    caller: int
    op: str
    callee: int
    times: int | None


@dataclass(frozen=True)
class Runs:
    """How often a graph runs in one inference; None where the operator `because` decides it as the network runs."""

    times: int | None
    because: str = ""


# The options of operators that run other graphs, and the fields that name those.
CALLERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "CALL": ("CallOptions", ("Subgraph",)),
    "CALL_ONCE": ("CallOnceOptions", ("InitSubgraphIndex",)),
    "IF": ("IfOptions", ("ThenSubgraphIndex", "ElseSubgraphIndex")),
    "WHILE": ("WhileOptions", ("CondSubgraphIndex", "BodySubgraphIndex")),
    "STABLEHLO_COMPOSITE": ("StableHLOCompositeOptions", ("DecompositionSubgraphIndex",)),
    "STABLEHLO_WHILE": ("StablehloWhileOptions", ("CondSubgraphIndex", "BodySubgraphIndex")),
    "STABLEHLO_CASE": ("StablehloCaseOptions", ("BranchSubgraphIndicesAsNumpy",)),
    "STABLEHLO_REDUCE": ("StablehloReduceOptions", ("BodySubgraphIndex",)),
    "STABLEHLO_REDUCE_WINDOW": ("StablehloReduceWindowOptions", ("BodySubgraphIndex",)),
    "STABLEHLO_SCATTER": ("StablehloScatterOptions", ("UpdateComputationSubgraphIndex",)),
    "STABLEHLO_SORT": ("StablehloSortOptions", ("ComparatorSubgraphIndex",)),
}
SECOND_OPTIONS = "STABLEHLO"
# A variable is given its value before the first inference.
ONCE = {"CALL": 1, "CALL_ONCE": 0, "STABLEHLO_COMPOSITE": 1}


def callees(name: str, table: Any) -> tuple[int, ...]:
    """Read off an operator which graphs it runs; empty where it runs none, or its options are not there."""
    if name not in CALLERS:
        return ()
    kind, fields = CALLERS[name]
    found = table.BuiltinOptions2() if name.startswith(SECOND_OPTIONS) else table.BuiltinOptions()
    if found is None:
        return ()
    options = getattr(schema(), kind)()
    options.Init(found.Bytes, found.Pos)
    values = [getattr(options, field)() for field in fields]
    return tuple(int(each) for value in values for each in (value if hasattr(value, "__len__") else [value]))


def runs(graphs: Sequence[Graph], called: Mapping[int, tuple[int, ...]], number: Number) -> dict[int, Runs]:
    """Say how often each graph runs that the main one leads to, itself once.

    Args:
        graphs: all of the file, the main one first.
        called: the graphs that an operator runs, by its index.
        number: reads constants.
    """
    calls = reached([call for each in graphs for op in each.ops for call in calls_of(op, called, graphs, number)])
    found: dict[int, Runs] = {0: Runs(1)}
    waiting = {call.callee for call in calls}
    while waiting:
        ready = {callee for callee in waiting if all(call.caller in found for call in calls if call.callee == callee)}
        for callee in ready or waiting:
            into = [call for call in calls if call.callee == callee]
            # A circle of calls has no beginning; nothing that runs in it has a count.
            found[callee] = added(into, found) if ready else Runs(None, into[0].op)
        waiting -= ready or waiting
    return found


def calls_of(op: Op, called: Mapping[int, tuple[int, ...]], graphs: Sequence[Graph], number: Number) -> Iterator[Call]:
    """Give the calls of one operator."""
    callee = called.get(op.index, ())
    if any(each not in range(len(graphs)) for each in callee):
        raise IndexError("a graph that does not exist")
    if op.name == "WHILE" and len(callee) == 2:
        condition, body = callee
        times = trips(op, graphs[condition], graphs[body], number)
        yield Call(op.graph, op.name, condition, None if times is None else times + 1)
        yield Call(op.graph, op.name, body, times)
        return
    yield from (Call(op.graph, op.name, each, ONCE.get(op.name)) for each in callee)


def reached(calls: Sequence[Call]) -> list[Call]:
    """Leave out what only graphs call that the main one never leads to."""
    known, fresh = {0}, {0}
    while fresh:
        fresh = {call.callee for call in calls if call.caller in fresh} - known
        known |= fresh
    return [call for call in calls if call.caller in known and call.callee]


def added(calls: Sequence[Call], found: Mapping[int, Runs]) -> Runs:
    """Add up how often a graph runs over all that call it."""
    total = 0
    for call in calls:
        caller = found[call.caller]
        if caller.times == 0 or call.times == 0:
            continue
        if caller.times is None or call.times is None:
            return Runs(None, caller.because or call.op)
        total += caller.times * call.times
    return Runs(total)


def in_one_inference(ops: Sequence[Op], found: Mapping[int, Runs]) -> tuple[list[Op], tuple[str, ...]]:
    """Count the MACs of operators over all runs of their graphs; names those that leave the sum unknown."""
    counted_ops: list[Op] = []
    uncounted: dict[str, None] = {}
    for op in ops:
        often = found.get(op.graph)
        if often is None:
            counted_ops.append(op)
            continue
        if op.macs == 0 or often.times == 0:
            macs: int | None = 0
        else:
            macs = None if op.macs is None or often.times is None else op.macs * often.times
        if macs is None:
            uncounted[open_or_unknown(op) if op.macs is None else often.because] = None
        counted_ops.append(replace(op, macs=macs))
    return counted_ops, tuple(uncounted)


def open_or_unknown(op: Op) -> str:
    """Name an operator without a count; where it has a formula, its shape is what is missing."""
    return f"{op.name} (no fixed shape)" if op.name in FORMULAS else op.name


def trips(loop: Op, condition: Graph, body: Graph, number: Number) -> int | None:
    """Count how often a loop's body runs; None where that is computed."""
    tests = list(compared(condition))
    counts = [counted(test, loop, condition, body, number) for test in tests]
    known = [count for count in counts if count is not None]
    return min(known) if known and len(known) == len(tests) else None


def compared(condition: Graph) -> Iterator[Op | None]:
    """Give the comparisons that must all hold for a loop to go on; None for what is none."""
    makers = {made: op for op in condition.ops for made in op.outputs}
    waiting = list(condition.outputs)
    for _ in range(len(condition.ops) + 1):
        if not waiting:
            return
        op = makers.get(waiting.pop())
        if op is not None and op.name == "LOGICAL_AND":
            waiting += op.inputs
        else:
            yield op if op is not None and op.name == "LESS" and len(op.inputs) == 2 else None
    yield from (None for _ in waiting)


def counted(test: Op | None, loop: Op, condition: Graph, body: Graph, number: Number) -> int | None:
    """Count the steps of one counter up to its limit."""
    if test is None or not len(loop.inputs) == len(condition.inputs) == len(body.inputs) == len(body.outputs):
        return None
    counter, bound = test.inputs
    if counter not in condition.inputs:
        return None
    place = condition.inputs.index(counter)
    start, step = number(loop.inputs[place]), stride(body, place, number)
    limit = number(bound)
    if limit is None and bound in condition.inputs:
        kept = condition.inputs.index(bound)
        limit = number(loop.inputs[kept]) if body.inputs[kept] == body.outputs[kept] else None
    if start is None or limit is None or step is None or step <= 0:
        return None
    return max(0, -(-(limit - start) // step))


def stride(body: Graph, place: int, number: Number) -> int | None:
    """Return what a loop's body adds to one value that it carries; None where it does something else to it."""
    makers = {made: op for op in body.ops for made in op.outputs}
    op = makers.get(body.outputs[place])
    if op is None or op.name != "ADD" or body.inputs[place] not in op.inputs:
        return None
    others = [index for index in op.inputs if index != body.inputs[place]]
    return number(others[0]) if len(others) == 1 else None
