"""Layers that a builder's source surely makes, and the operators that they become: known before anything is built.

The text of the file is read, and nothing is run. What stands behind a condition is not counted, since options may turn
it off; `plan` builds the network and sees every operator.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyc.spec.builders import source

OPERATORS: Mapping[str, str] = {
    "Attention": "BATCH_MATMUL",
    "MultiHeadAttention": "BATCH_MATMUL",
    "Embedding": "GATHER",
    "TokenEmbedding": "GATHER",
    "Conv2DTranspose": "TRANSPOSE_CONV",
}
"""An operator that each layer becomes, whatever its options; tests convert each."""
Defined = ast.FunctionDef | ast.AsyncFunctionDef
CONDITIONAL = (ast.If, ast.IfExp, ast.Try, ast.While, ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Layer:
    """A layer that a builder makes on one line of its file, and an operator that it becomes."""

    name: str
    operator: str
    line: int


def layers(path: Path, function: str) -> list[Layer]:
    """List the layers of `OPERATORS` that a function of a file makes, itself or through functions of the same file."""
    try:
        tree = ast.parse(source(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # whoever loads the file says what is wrong with it
    functions = {node.name: node for node in tree.body if isinstance(node, Defined)}
    found, waiting, seen = [], [function], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for call in calls(functions[name].body):
            called = called_name(call)
            waiting.append(called)
            if called in OPERATORS and called not in functions:
                found.append(Layer(called, OPERATORS[called], call.lineno))
    return found


def calls(body: list[ast.stmt]) -> Iterator[ast.Call]:
    """Yield the calls that statements make in any case."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, CONDITIONAL):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def called_name(call: ast.Call) -> str:
    """Give the last name of what is called: `Attention` of `blocks.Attention(...)`."""
    target = call.func
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
