"""Functions in a file of the user's: `models/resnet.py:resnet8`, found, loaded, fingerprinted, called."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from tinyc.errors import UserError

Find = Callable[[str], Path]
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
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def call(self, find: Find, *arguments: Any) -> Any:
        """Load the file and call the function with `arguments` and the options.

        Raises:
            UserError: no such file or function, or the user's code raised; names the file and the line.
        """
        path = find(self.file)
        function = getattr(load_module(path), self.function, None)
        if not callable(function):
            raise UserError(str(path), f"has no function {self.function!r}", "correct the name after the colon")
        try:
            return function(*arguments, **self.options)
        except Exception as error:
            raise user_code_error(path, self.function, error) from error


def load_module(path: Path) -> Any:
    """Import a user's file under its own folder, so that its local imports work."""
    folder = str(path.parent.resolve())
    name = f"tinyc_user_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(str(path), "is not a Python file", "give a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except Exception as error:
        raise user_code_error(path, "the module", error) from error
    finally:
        sys.path.remove(folder)
    return module


def user_code_error(path: Path, what: str, error: Exception) -> UserError:
    """Name the innermost line of the user's own file, not ours or a library's."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    if isinstance(error, SyntaxError) and error.lineno:
        lines = [error.lineno]
    where = f"{path}:{lines[-1]}" if lines else str(path)
    return UserError(where, f"{what} raised {type(error).__name__}: {error}", "mend the function, then run again")


def local_modules(path: Path) -> set[Path]:
    """The file and all modules of its own folder that it imports, however deep."""
    found: set[Path] = set()
    waiting = [path.resolve()]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        waiting += [file for name in imported(current) for file in candidates(path.resolve().parent, name)]
    return found


def imported(path: Path) -> set[str]:
    """The dotted names that a file imports."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise user_code_error(path, "the module", error) from error
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names.update({base, *(f"{base}.{alias.name}".lstrip(".") for alias in node.names)})
    return names - {""}


def candidates(folder: Path, dotted: str) -> list[Path]:
    """The files below `folder` that an import of `dotted` would run."""
    stem = folder.joinpath(*dotted.split("."))
    options = (stem.with_suffix(".py"), stem / "__init__.py", folder / dotted.split(".", maxsplit=1)[0] / "__init__.py")
    return [file.resolve() for file in options if file.is_file()]
