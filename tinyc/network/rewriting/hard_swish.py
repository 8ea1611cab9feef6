"""x * relu6(x + 3) / 6 in several layers, found and made one: TensorFlow Lite has one int8 operator for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyc.network.arithmetic import HardSwish
from tinyc.network.flatten import Copy

PRODUCTS = ("Multiply", "WithConstant")


@dataclass(frozen=True)
class Pattern:
    """One hard swish: the layer that adds 3 to x, and all layers before the last, which nothing else reads."""

    shift: str
    inside: frozenset[str]


@dataclass
class Fused(Copy):
    """Copies, except of each pattern in `found`, by its last layer's name: that becomes one layer of this name.

    `taken` holds what each pattern takes, by the name of its `shift`.
    """

    found: dict[str, Pattern] = field(default_factory=dict)
    taken: dict[str, Any] = field(default_factory=dict)

    def called(self, node: Any, prefix: str, arguments: Any, keywords: Any) -> Any:
        name = node.layer.name
        if name in self.found:
            return HardSwish(name=name)(self.taken[self.found[name].shift])
        if any(name in pattern.inside for pattern in self.found.values()):
            self.taken[name] = arguments[0]
            return node.outputs  # what reads it is the pattern alone, which does not look at it
        return super().called(node, prefix, arguments, keywords)


def find(model: Any) -> dict[str, Pattern]:
    """Find each hard swish of a flat network, by the name of its last layer."""
    readers = Counter(id(tensor) for nodes in model._nodes_by_depth.values() for node in nodes
                      if not node.is_input for tensor in node.keras_inputs)  # fmt: skip
    readers.update(id(tensor) for tensor in model.outputs)
    found: dict[str, Pattern] = {}
    for layer in model.layers:
        if type(layer).__name__ in PRODUCTS and len(layer.inbound_nodes) == 1:
            pattern = match(layer.output, readers)
            if pattern is not None:
                found[layer.name] = pattern
    inner = {name for pattern in found.values() for name in pattern.inside}
    return {name: pattern for name, pattern in found.items() if name not in inner}


def match(tensor: Any, readers: Counter[int]) -> Pattern | None:
    """Say whether a tensor is x * relu6(x + 3) / 6."""
    inside: set[str] = set()
    factor, leaves = product(tensor, readers, inside, last=True)
    if len(leaves) != 2 or not np.isclose(factor, 1 / 6, rtol=1e-3):
        return None
    for x, gate in (leaves, leaves[::-1]):
        clipped = gate.node.layer
        if not is_relu6(clipped) or readers[id(gate)] != 1:
            continue
        shifted = gate.node.keras_inputs[0]
        if (
            readers[id(shifted)] == 1
            and applied_constant(shifted.node.layer, "add") == 3.0
            and shifted.node.keras_inputs[0] is x
        ):
            shift = shifted.node.layer.name
            return Pattern(shift, frozenset({*inside, clipped.name, shift}))
    return None


def product(tensor: Any, readers: Counter[int], inside: set[str], last: bool = False) -> tuple[float, list[Any]]:
    """Take a product apart, as far as nothing else reads its parts: the constant factor, and the tensors."""
    node = tensor.node
    number = applied_constant(node.layer, "multiply")
    divisor = applied_constant(node.layer, "divide")
    is_product = type(node.layer).__name__ == "Multiply" or number is not None or divisor is not None
    if not is_product or (not last and readers[id(tensor)] != 1):
        return 1.0, [tensor]
    if not last:
        inside.add(node.layer.name)
    factor = (1.0 if number is None else number) / (1.0 if divisor is None else divisor)
    leaves: list[Any] = []
    for each in node.keras_inputs:
        own, more = product(each, readers, inside)
        factor *= own
        leaves += more
    return factor, leaves


def applied_constant(layer: Any, operator: str) -> float | None:
    """Return the number that `operator` applies to a layer's input; None for another operator, or several numbers."""
    if type(layer).__name__ != "WithConstant" or layer.operator != operator or isinstance(layer.constant, list):
        return None
    return float(layer.constant)


def is_relu6(layer: Any) -> bool:
    if type(layer).__name__ != "ReLU":
        return False
    return layer.max_value == 6 and not layer.threshold and not layer.negative_slope
