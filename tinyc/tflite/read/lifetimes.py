"""When each activation is made and last read: what an inference must hold at the same time.

A planner that packs perfectly needs the largest sum over the operators. TFLM's arena is larger: it rounds each tensor
up, may have to leave gaps, and keeps operators' scratch memory and its own structures there, some only while it
allocates.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyc.tflite.read.description import Description, Tensor

# TFLM places each activation at a multiple of this.
ALIGNMENT = 16


@dataclass(frozen=True)
class Lifetime:
    """One activation of the main graph: `first` and `last` are the places of operators in the order of execution.

    `layer` is that of the operator that makes it, "input" for an input.
    """

    tensor: int
    layer: str
    first: int
    last: int
    bytes: int


@dataclass(frozen=True)
class Arena:
    """The activations of a file by time: `live[i]` is what is held while operator i runs, in bytes.

    `ops` are the operators' indices in the description; `peak` the place of the largest sum, None without operators.
    """

    lifetimes: tuple[Lifetime, ...]
    ops: tuple[int, ...]
    live: tuple[int, ...]
    peak: int | None

    @property
    def peak_bytes(self) -> int:
        return max(self.live, default=0)


def lifetimes(described: Description) -> Arena:
    """Work out from first and last use what each operator of the main graph needs at once.

    Inputs are held from the start, outputs to the end, variables throughout; constants are not in it.
    """
    ops = [op for op in described.ops if op.graph == 0]
    end = len(ops) - 1
    spans = {tensor.index: [0, 0] for tensor in described.inputs}
    layers = dict.fromkeys(spans, "input")
    for place, op in enumerate(ops):
        for index in op.inputs:
            if index in spans:
                spans[index][1] = place
        for index in op.outputs:
            spans.setdefault(index, [place, place])[1] = place
            layers.setdefault(index, op.layer or f"op {op.index} {op.name}")
        for index in op.inputs:
            if index >= 0 and described.tensors[index].variable:
                spans[index] = [0, end]
                layers.setdefault(index, op.layer or f"op {op.index} {op.name}")
    for tensor in described.outputs:
        if tensor.index in spans:
            spans[tensor.index][1] = end
    found = [
        Lifetime(index, layers[index], first, max(first, last), aligned(described.tensors[index]))
        for index, (first, last) in spans.items()
        if not described.tensors[index].stored_bytes
    ]
    found.sort(key=lambda each: (each.first, each.last, each.tensor))
    live = tuple(sum(each.bytes for each in found if each.first <= place <= each.last) for place in range(len(ops)))
    peak = live.index(max(live)) if live else None
    return Arena(tuple(found), tuple(op.index for op in ops), live, peak)


def aligned(tensor: Tensor) -> int:
    """Return a tensor's bytes rounded up to where the next may begin."""
    return -(-tensor.bytes // ALIGNMENT) * ALIGNMENT
