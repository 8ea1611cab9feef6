"""Whether what a recipe names is there: files, functions in them with the options that they take, columns of a table.

Nothing is run or imported, and of a table the first line alone is read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinyc.core import files, limits
from tinyc.core.errors import UserError, quoted
from tinyc.core.spelling import nearest
from tinyc.data import tables
from tinyc.run.recipe_files import named_files, references
from tinyc.spec.builders import Builder
from tinyc.spec.data import DataSpec
from tinyc.spec.on_device import require_operators
from tinyc.spec.recipe import Recipe

MARKS = {".csv": tables.COMMA, ".tsv": tables.TAB}
Defined = ast.FunctionDef | ast.AsyncFunctionDef
OPENED = ("exec", "globals", "setattr")
"""Names that may bring a function about which no statement defines."""


def require(recipe: Recipe) -> None:
    """Look for everything that a recipe names, in the order of its sections.

    Raises:
        UserError: names the first that is missing.
    """
    for name in named_files(recipe):
        recipe.find(name)
    for value in references(recipe):
        if isinstance(value, Builder):
            require_function(value, recipe.find(value.file))
    if recipe.device:
        require_operators(recipe, recipe.device)
    require_columns(recipe.data, recipe)


def require_function(builder: Builder, path: Path) -> None:
    """Refuse a function that no statement of its file defines, and options that it does not take."""
    text = files.read(path, limits.SOURCE_BYTES)
    try:
        tree = ast.parse(text, str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f"{path}:{line}" if line else str(path)
        raise UserError(where, f"is not Python: {getattr(error, 'msg', error)}", "correct the line") from error
    found = dict(defined(tree.body))
    if builder.function not in found:
        open_names = {"*", "__getattr__"} & set(found)
        if not open_names and not any(isinstance(each, ast.Name) and each.id in OPENED for each in ast.walk(tree)):
            raise no_function(path, builder.function, [name for name, node in found.items() if node])
        return
    node = found[builder.function]
    if node is not None and node.args.kwarg is None:
        taken = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        unknown = next((name for name in builder.options if name not in taken), None)
        if unknown is not None and not node.decorator_list:
            close = nearest(unknown, taken)
            remedy = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(taken) or 'nothing'}"
            raise UserError(f"{path}:{node.lineno}", f"{builder.function} takes no {quoted(unknown)}", remedy)


def defined(body: Sequence[ast.stmt]) -> Iterator[tuple[str, Defined | None]]:
    """Yield every name that a module's statements bind, with its function if it is one; "*" if that is open."""
    for node in body:
        if isinstance(node, Defined):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield node.name, None
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name.partition(".")[0], None) for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
            yield from ((name, None) for name in names)
        else:  # branches, loops and the like
            for part in ("body", "orelse", "finalbody", "handlers"):
                inner = getattr(node, part, [])
                yield from defined([each for each in inner if isinstance(each, ast.stmt)])
                for handler in inner:
                    yield from defined(handler.body) if isinstance(handler, ast.ExceptHandler) else ()


def no_function(path: Path, name: str, known: Sequence[str]) -> UserError:
    """Say that a function is not there, and which may be meant."""
    close = nearest(name, known)
    has = f"it defines {', '.join(known[:20])}" if known else "it defines none"
    return UserError(str(path), f"has no function {name!r}", f"did you mean {close[0]!r}?" if close else has)


def require_columns(spec: DataSpec, recipe: Recipe) -> None:
    """Refuse columns that the header of the recipe's table does not have."""
    if spec.path is None:
        return
    path = recipe.find(spec.path)
    mark = MARKS.get(path.suffix.lower())
    needed = [name for name in (spec.label, spec.text, spec.split, spec.recording, *spec.groups) if name is not None]
    if mark is not None and needed and path.is_file():
        tables.header(path, tables.rows(path, mark), mark, needed)
