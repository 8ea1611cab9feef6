"""Only regular files are read, up to their limit, and nothing that is no file hangs."""

from __future__ import annotations

import ast
import errno
import os
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

import tinyc
from tinyc.core import files
from tinyc.core.errors import MachineError, UserError, clipped


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def unix_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (fifo, "is a pipe, not a regular file"),
        (folder, "is a folder, not a regular file"),
        (unix_socket, "is not a path"),
        (lambda path: Path("/dev/zero"), "is a device, not a regular file"),
        (lambda path: Path("/proc/self/maps"), "is a file of the system"),
        (lambda path: Path("/proc/self/mem"), "is a file of the system"),
        (lambda path: path.with_name("x" * 300), "is not a path: file name too long"),
        (lambda path: Path("/" + "x/" * 3000), "is not a path: file name too long"),
        (lambda path: Path("a\0b"), "is not a path"),
    ],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    with pytest.raises(UserError, match=says):
        files.read(make(tmp_path / "thing"), 100)


def test_the_size_is_asked_before_a_byte_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(UserError, match=r"has 1,024.0 GiB; at most 100 B are read"):
        files.read(path, 100)
    with pytest.raises(UserError, match="at most 100 B"):
        files.size(path, 100)


def test_a_file_within_its_limit_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes("\ufeffgrün".encode())
    assert files.read_text(path, 8) == "grün"
    assert files.size(path, 8) == 8
    path.write_bytes(b"\xff")
    with pytest.raises(UserError, match="is not UTF-8 text"):
        files.read_text(path, 8)


def test_a_missing_file_is_a_mistake_and_one_that_may_not_be_read_the_machines(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        files.read(tmp_path / "none", 100)
    assert isinstance(files.unreadable("here", OSError(errno.EACCES, "Permission denied")), MachineError)


def test_a_message_quotes_a_limited_part_of_its_input() -> None:
    error = UserError("x" * 100_000, "y" * 100_000, "z" * 100_000)
    assert len(str(error)) < 7000
    assert clipped("short") == "short"
    assert clipped("a" * 10 + "b" * 10, 10) == "aaaaa ... (10 characters) ... bbbbb"


def test_no_more_room_is_made_than_the_file_needs(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x" * 10)
    tracemalloc.start()
    assert files.read(tmp_path / "small", 1 << 30) == b"x" * 10
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


OWN = {
    "analysis/sensitivity/store.py": "writes", "cli/bugs.py": "writes", "codegen/c_source.py": "files of the package",
    "core/cache.py": "its own files", "core/descriptors.py": "the null device", "core/files.py": "the one way",
    "core/machine.py": "/proc/cpuinfo", "core/run_folder.py": "writes, and its own lock",
    "data/images/fashion_mnist.py": "what it downloads", "devices/latency.py": "files of the package",
    "measure/vela.py": "what Vela writes", "run/commands/bench.py": "files of the package",
    "run/stored.py": "files of this run", "tflite/run/bench.py": "stands alone",
    "federation/terminals/keys.py": "writes",
    "network/gate/archive.py": "copies of its own", "network/gate/examine.py": "copies of its own",
    "network/gate/saved_model.py": "copies of its own", "run/commands/init.py": "files of the package",
    "run/finish.py": "files of this run", "tflite/run/link.py": "what the kernel says of a worker",
}  # fmt: skip
READS = ("read_text", "read_bytes", "open", "fdopen")


def opens(path: Path) -> bool:
    """Say whether a module opens a file by itself: by a path's methods, or by `open`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name) and function.id == "open":
            return True
        if isinstance(function, ast.Attribute) and function.attr in READS:
            owner = function.value
            named = owner.id if isinstance(owner, ast.Name) else ""
            if named not in ("files", "Image", "archive", "self", "each"):
                return True
    return False


def test_what_a_user_names_is_opened_in_one_place() -> None:
    """A module that opens files by itself would hang on a pipe; those here open none of a user's."""
    package = Path(tinyc.__file__).parent
    found = {str(path.relative_to(package)) for path in package.rglob("*.py") if opens(path)}
    assert found == set(OWN)
