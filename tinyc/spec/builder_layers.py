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
CONDITIONAL = (
    ast.If, ast.IfExp, ast.BoolOp, ast.Match, ast.Try, ast.While, ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef,
    ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip
LIBRARIES = ("tinyc", "tf_keras", "keras", "tensorflow")
"""Whose layers `OPERATORS` speaks of; a class of the same name from elsewhere may be anything."""


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
    known = set(imported(tree))
    found, waiting, seen = [], [function], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for call in calls(functions[name].body):
            called = called_name(call)
            waiting.append(called)
            if called in OPERATORS and root(call) in known and called not in functions:
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


def root(call: ast.Call) -> str:
    """Give the first name of what is called: `blocks` of `blocks.Attention(...)`."""
    target = call.func
    while isinstance(target, ast.Attribute):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a file has from the libraries."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in LIBRARIES and not node.level:
            yield from (alias.asname or alias.name for alias in node.names)
        if isinstance(node, ast.Import):
            named = [alias for alias in node.names if alias.name.partition(".")[0] in LIBRARIES]
            yield from (alias.asname or alias.name.partition(".")[0] for alias in named)
