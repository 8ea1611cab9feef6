"""How the code of a checkout is built, in figures: rooms, circles, imports inside functions, sizes, docstrings.

Run it as `python benchmarks/house.py`, or with the root of another checkout to compare two. A room is a module or a
package at the top of tinyc/; `__init__` and `__main__` are none. It reads the code and runs nothing, unless `--times`
asks for the processor time of two commands.

An import is an `import` or `from` statement inside a function, however many names it brings. Imports by name count as
one each too: a mention of `import_module`, `__import__`, `resolve_name`, ... inside a function; outside of functions
one that is handed on and not called; a call, with the module's name, of a function that imports what it is given; every
object of a class whose `__getattr__` stands beside such a mention (a lazy proxy); a module's own `__getattr__`. The
functions are all those around an import, so a function in another one makes two.

Circles are of modules that import each other, directly or by way of others, wherever the import stands: at the top,
in a function, under `if TYPE_CHECKING`. `from package import name` is an import of the package where its `__init__`
defines the name, and of the module otherwise; that importing a module runs its packages' `__init__` is not counted.
Nor are the rows of a table that name modules in text: what loads them counts as one import by name.
"""

from __future__ import annotations

import argparse
import ast
import os
import resource
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
BY_NAME = {"import_module", "__import__", "LazyLoader", "resolve_name", "EntryPoint"}
TIMED = {"tinyc --help": ("--help",), "tinyc check resnet50-tiny": ("check", "resnet50-tiny")}
RUNS = 5
LONG = 60
Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.Lambda | ast.ClassDef
Documented = Function | ast.ClassDef | ast.Module
Graph = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, a package's without `__init__`; its lines; the tree of its code."""

    name: str
    path: Path
    lines: int
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Late:
    """One import: the functions around it as modules and lines, none for a lazy proxy; whether it is a statement."""

    around: frozenset[tuple[str, int]]
    statement: bool


def main() -> None:
    """Count, and print one line a measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, nargs="?", default=ROOT, help="of the checkout (default: this one)")
    parser.add_argument("--times", action="store_true", help=f"time two commands as well, the best of {RUNS} runs each")
    options = parser.parse_args()
    rows = measures(modules(options.root))
    if options.times:
        rows |= {f"{name}: processor time": f"{seconds:.2f} s" for name, seconds in times(options.root).items()}
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")


def modules(root: Path) -> list[Module]:
    """Parse every file of tinyc/, by name."""
    found = []
    for path in sorted((root / "tinyc").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        text = path.read_text()
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path, len(text.splitlines()), ast.parse(text)))
    return found


def measures(house: list[Module]) -> dict[str, str]:
    """Name every measure with what was counted."""
    graph = import_graph(house)
    between = of_rooms(graph)
    mutual = [f"{a} and {b}" for a, b in combinations(sorted(between), 2) if b in between[a] and a in between[b]]
    loaders = {name: whole for module in house for name, whole in loaders_of(module)}
    late = [found for module in house for found in late_imports(module, loaders)]
    around = {place for each in late for place in each.around}
    long = [node for module in house for node in functions(module) if length(node) > LONG]
    public = [node for module in house for node in published(module)]
    federation = [module for module in house if room(module.name) == "federation"]
    return {
        "rooms: entries at the top of tinyc/": f"{len(rooms(house))}",
        "imports inside functions": f"{len(late):,} in {len(around):,} functions: {by_name(late)}",
        "circles of modules": listed(circles(graph)),
        "circles of rooms": listed(circles(between)),
        "pairs of rooms that import each other": listed(mutual),
        "statements": f"{sum(isinstance(node, ast.stmt) for module in house for node in ast.walk(module.tree)):,}",
        "public docstrings": f"{sum(map(has_docstring, public)):,} of {len(public):,}",
        "federation": f"{sum(module.lines for module in federation):,} lines in {len(federation)} files",
        "all": f"{sum(module.lines for module in house):,} lines in {len(house)} files",
        "median file": f"{median(module.lines for module in house):g} lines",
        "median function": f"{median(length(node) for module in house for node in functions(module)):g} lines",
        f"functions over {LONG} lines": f"{len(long)}",
    }


def listed(found: list[str]) -> str:
    return f"{len(found)}" + "".join(f"\n    {each}" for each in found)


def room(name: str) -> str | None:
    """Give the entry at the top of tinyc/ in which a module lies; None for tinyc itself and `__main__`."""
    parts = name.split(".")
    return None if len(parts) == 1 or parts[1] == "__main__" else parts[1]


def rooms(house: list[Module]) -> set[str]:
    return {found for module in house if (found := room(module.name))}


def import_graph(house: list[Module]) -> dict[str, set[str]]:
    """Name for each module those of the house that it imports, wherever in it the import stands; itself left out."""
    defined = {module.name: bound(module) for module in house}
    graph: dict[str, set[str]] = {}
    for module in house:
        found = {target(name, base, defined) for name, base in spelled(module)}
        graph[module.name] = found - {"", module.name}
    return graph


def target(name: str, base: str, defined: Mapping[str, Collection[str]]) -> str:
    """Find the module that an import reaches: what a package's `__init__` binds goes before a module of its folder."""
    if name in defined.get(base, ()):
        return base
    reached = f"{base}.{name}" if base else name
    while reached and reached not in defined:
        reached = reached.rpartition(".")[0]
    return reached


def spelled(module: Module) -> Iterator[tuple[str, str]]:
    """Give each import of a module as (name, what it is taken from), the second empty for `import name`."""
    names = importers(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.name, base_of(node, module)) for alias in node.names)
        elif isinstance(node, ast.Call) and mentions(node.func, names):
            given = node.args[0] if node.args else None
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                yield given.value.partition(":")[0], ""


def base_of(node: ast.ImportFrom, module: Module) -> str:
    """Give the full name of what stands between `from` and `import`, dots at its begin counted from the module."""
    above = module.package.split(".") if node.level else []
    return ".".join([*above[: len(above) + 1 - node.level], *([node.module] if node.module else [])])


def bound(module: Module) -> set[str]:
    """Name what a package's `__init__` defines at its top: classes, functions, values, and names from elsewhere."""
    found: set[str] = set()
    for node, around in scoped(module.tree) if module.is_package else ():
        if around:
            continue
        if isinstance(node, Function | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom) and base_of(node, module) != module.name:
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def scoped(tree: ast.AST, around: tuple[Scope, ...] = ()) -> Iterator[tuple[ast.AST, tuple[Scope, ...]]]:
    """Give every node below one with the functions and classes around it, the innermost last."""
    for node in ast.iter_child_nodes(tree):
        yield node, around
        yield from scoped(node, (*around, node) if isinstance(node, Scope) else around)


def late_imports(module: Module, loaders: Mapping[str, bool]) -> Iterator[Late]:
    """Give each import of a module that is done later than its own import."""
    names = importers(module)
    called = {id(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
    for node, scopes in scoped(module.tree):
        around = frozenset((module.name, each.lineno) for each in scopes if not isinstance(each, ast.ClassDef))
        if isinstance(node, ast.Import | ast.ImportFrom):
            found = bool(around)
        elif isinstance(node, ast.Call):
            found = loads(node, loaders) and (bool(around) or loaders[spoken(node.func)])
        elif isinstance(node, Function):
            found = node.name == "__getattr__" and not scopes
        else:
            found = mentions(node, names) and (bool(around) or id(node) not in called)
        if found:
            own = {(module.name, node.lineno)} if isinstance(node, Function) else set()
            yield Late(around | own, isinstance(node, ast.Import | ast.ImportFrom))


def by_name(late: list[Late]) -> str:
    statements = sum(each.statement for each in late)
    return f"{statements:,} statements, {len(late) - statements:,} by name"


def importers(module: Module) -> set[str]:
    """Name what imports by name in a module: the known ones, and what the module calls them."""
    taken = [node.names for node in ast.walk(module.tree) if isinstance(node, ast.ImportFrom)]
    return BY_NAME | {alias.asname for names in taken for alias in names if alias.asname and alias.name in BY_NAME}


def mentions(node: ast.AST, names: Collection[str]) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load) and spoken(node) in names


def spoken(node: ast.AST) -> str:
    """Give a name as it is written, of a dotted one the last part."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def loaders_of(module: Module) -> Iterator[tuple[str, bool]]:
    """Name the functions that import what they are given (False), and the classes of lazy proxies (True)."""
    names = importers(module)
    for node in ast.walk(module.tree):
        inner = list(ast.walk(node)) if isinstance(node, Function | ast.ClassDef) else []
        if isinstance(node, ast.ClassDef):
            proxy = any(isinstance(each, Function) and each.name == "__getattr__" for each in inner)
            if proxy and any(mentions(each, names) for each in inner):
                yield node.name, True
        elif isinstance(node, Function):
            given = {argument.arg for argument in node.args.args}
            calls = [each for each in inner if isinstance(each, ast.Call) and mentions(each.func, names)]
            if any(spoken(call.args[0]) in given for call in calls if call.args):
                yield node.name, False


def loads(node: ast.Call, loaders: Collection[str]) -> bool:
    texts = [each for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return bool(texts) and spoken(node.func) in loaders


def of_rooms(graph: Graph) -> dict[str, set[str]]:
    """Join the modules of each room."""
    joined: dict[str, set[str]] = {}
    for name, others in graph.items():
        if own := room(name):
            joined.setdefault(own, set()).update(found for other in others if (found := room(other)) and found != own)
    return joined


def circles(graph: Graph) -> list[str]:
    """List the largest groups of more than one node in which each reaches every other, each as its names in order."""
    reached = {name: reach(graph, name) for name in graph}
    groups = {frozenset(other for other in found if name in reached[other]) for name, found in reached.items()}
    return sorted(", ".join(sorted(group)) for group in groups if len(group) > 1)


def reach(graph: Graph, start: str) -> set[str]:
    found, ahead = set[str](), [start]
    while ahead:
        new = set(graph[ahead.pop()]) - found
        found |= new
        ahead += new
    return found


def functions(module: Module) -> Iterator[Function]:
    return (node for node in ast.walk(module.tree) if isinstance(node, Function))


def length(node: Function) -> int:
    """Count the lines of a function from its `def` on, decorators left out."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def published(module: Module) -> Iterator[Documented]:
    """Give what is public: a module, and at its top functions, classes and their methods, none with `_` before it."""
    if any(part.startswith("_") and part != "__main__" for part in module.name.split(".")):
        return
    yield module.tree
    for node, around in scoped(module.tree):
        if isinstance(node, Function | ast.ClassDef) and all(isinstance(each, ast.ClassDef) for each in around):
            names = [each.name for each in (*around, node) if isinstance(each, Function | ast.ClassDef)]
            if not any(name.startswith("_") for name in names):
                yield node


def has_docstring(node: Documented) -> bool:
    return bool(ast.get_docstring(node, clean=False))


def times(root: Path) -> dict[str, float]:
    """Run each command under this interpreter and give its processor time in s, user and system, the best of some."""
    found = {}
    for name, arguments in TIMED.items():
        found[name] = min(processor_time(root, arguments) for _ in range(RUNS))
    return found


def processor_time(root: Path, arguments: tuple[str, ...]) -> float:
    surroundings = {**os.environ, "PYTHONPATH": str(root.resolve()), "TF_CPP_MIN_LOG_LEVEL": "3"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "tinyc", *arguments]
    subprocess.run(command, cwd=root, env=surroundings, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
