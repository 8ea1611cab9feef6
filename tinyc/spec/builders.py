"""Functions in a file of the user's: `models/resnet.py:resnet8`, found, loaded, fingerprinted, called."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from tinyc.core import files, limits
from tinyc.core.errors import TinycError, UserError

Find = Callable[[str], Path]
MOVED = {"tinyc.blocks": "tinyc.network.blocks", "tinyc.arithmetic": "tinyc.network.arithmetic"}
"""Modules that networks of users import, by the names that they had before."""
PREFIX = "tinyc_user_"
REWRITTEN = "__autograph_generated_file"
REFERENCE = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")


class Builder(BaseModel):
    """A reference to a function, with keyword options: a string, or `{ build = "file.py:function", width = 12 }`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    build: str

    @model_validator(mode="before")
    @classmethod
    def from_string(cls, value: object) -> object:
        return {"build": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def is_reference(self) -> Builder:
        if not REFERENCE.fullmatch(self.build):
            raise ValueError(f"{self.build!r} is not of the form 'file.py:function'")
        return self

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    @property
    def file(self) -> str:
        return self.build.rpartition(":")[0]

    @property
    def function(self) -> str:
        return self.build.rpartition(":")[2]

    def fingerprint(self, find: Find) -> str:
        """SHA-256 over the file, the local modules it imports and the options; imports nothing itself."""
        digest = hashlib.sha256(repr((self.function, sorted(self.options.items()))).encode())
        for path in sorted(local_modules(find(self.file))):
            digest.update(os.fsencode(path.name) + b"\0" + source(path))
        return digest.hexdigest()

    def call(self, find: Find, *arguments: Any, **offered: Any) -> Any:
        """Load the file and call the function with `arguments` and the options, and with what it takes of `offered`.

        Raises:
            UserError: no such file or function, or the user's code raised; names the file and the line.
        """
        path = find(self.file)
        module = load_module(path)
        with user_code(path, self.function):
            function = getattr(module, self.function, None)
            if not callable(function):
                raise UserError(str(path), f"has no function {self.function!r}", "correct the name after the colon")
            taken = inspect.signature(function).parameters
            offered = {name: value for name, value in offered.items() if name in taken}
            return function(*arguments, **{**offered, **self.options})


def load_module(path: Path) -> Any:
    """Import a user's file, once for each content: its classes may be registered by name, which bears no repeating."""
    content = b"".join(source(file) for file in sorted(local_modules(path)))
    name = f"{PREFIX}{hashlib.sha256(os.fsencode(path.resolve()) + content).hexdigest()[:8]}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(str(path), "is not a Python file", "give a .py file")
    module = importlib.util.module_from_spec(spec)
    forget_namesakes(path)
    sys.modules[name] = module
    try:
        with user_code(path, "the module"):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def classes(path: Path) -> dict[str, type]:
    """Return every class that a user's file, and the local modules that it imports, define, by name."""
    load_module(path)
    own = local_modules(path)
    modules = [each for each in list(sys.modules.values()) if Path(getattr(each, "__file__", None) or "") in own]
    return {
        name: item
        for module in modules
        for name, item in vars(module).items()
        if isinstance(item, type) and item.__module__ == module.__name__
    }


def forget_namesakes(path: Path) -> None:
    """Forget what another user's file has imported under a name that this file's folder has too (`utils`, say)."""
    own = path.resolve().parent
    loaded = list(sys.modules.items())  # at once: another thread may be importing
    others = {Path(module.__file__ or "").parent for name, module in loaded if name.startswith(PREFIX)}
    for file in local_modules(path):
        top = file.relative_to(own).parts[0].removesuffix(".py") if file.is_relative_to(own) else ""
        held = Path(getattr(sys.modules.get(top), "__file__", None) or "")
        home = held.parent.parent if held.name == "__init__.py" else held.parent
        if home in others - {own}:
            for name in [name for name, _ in loaded if name == top or name.startswith(f"{top}.")]:
                sys.modules.pop(name, None)


@contextmanager
def user_code(path: Path, what: str) -> Iterator[None]:
    """Run code of a user's file: its folder can be imported from, and what it prints does not stand among results.

    Raises:
        UserError: it raised, whatever it was, or called `sys.exit`.
    """
    folder = str(path.parent.resolve())
    sys.path.insert(0, folder)
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (TinycError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise user_code_error(path, what, error) from error
    finally:
        with suppress(ValueError):
            sys.path.remove(folder)


@contextmanager
def blamed(path: Path, what: str) -> Iterator[None]:
    """Do something with what a user's file made, such as calling its layers; what its code raises is its own fault.

    Raises:
        UserError: a line of the file, or of a local module that it imports, raised something or called `sys.exit`.
    """
    try:
        yield
    except (TinycError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if isinstance(error, Exception) and not came_through(error, local_modules(path)):
            raise
        raise user_code_error(path, what, error) from error


def came_through(error: BaseException, own: set[Path]) -> bool:
    """Say whether code of these files was running as something was raised; TensorFlow keeps a rewritten copy of it."""
    names = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return any(Path(name) in own or Path(name).name.startswith(REWRITTEN) for name in names)


def user_code_error(path: Path, what: str, error: BaseException) -> UserError:
    """Name the innermost line of the user's own file, not ours or a library's."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    if isinstance(error, SyntaxError) and error.lineno:
        lines = [error.lineno]
    where = f"{path}:{lines[-1]}" if lines else str(path)
    if isinstance(error, ModuleNotFoundError) and error.name in MOVED:
        new = MOVED[error.name]
        return UserError(where, f"imports {error.name}, which is {new} now", f"write {new} there")
    return UserError(where, f"{what} raised {error_text(error)}", "correct the function, then run again")


def error_text(error: BaseException) -> str:
    """Write an error's kind and text; the text is made by a user's code, and may raise."""
    try:
        text = f"{error}"
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def local_modules(path: Path) -> set[Path]:
    """Return the file and all modules of its own folder that it imports, however deep."""
    files.size(path, limits.SOURCE_BYTES)  # `resolve` raises on a loop of links
    found: set[Path] = set()
    waiting = [path.resolve()]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        above = [path.resolve().parent, *current.parents]
        waiting += [
            file for level, name in imported(current) for file in candidates(above[min(level, len(above) - 1)], name)
        ]
    return found


def imported(path: Path) -> set[tuple[int, str]]:
    """Return the dotted names that a file imports, each with its leading dots counted."""
    try:
        tree = ast.parse(source(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last for nesting beyond all use
        raise user_code_error(path, "the module", error) from error
    names: set[tuple[int, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            below = (f"{base}.{alias.name}".lstrip(".") for alias in node.names)
            names.update((node.level, name) for name in (base, *below) if name)
    return names


def source(path: Path) -> bytes:
    """Read a file of Python source.

    Raises:
        UserError: it is not a regular file, or larger than any source is.
    """
    return files.read(path, limits.SOURCE_BYTES)


def candidates(folder: Path, dotted: str) -> list[Path]:
    """Return the files below `folder` that an import of `dotted` would run."""
    parts = dotted.split(".")
    stem = folder.joinpath(*parts)
    packages = (folder.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1))
    return [file.resolve() for file in (stem.with_suffix(".py"), *packages) if file.is_file()]
