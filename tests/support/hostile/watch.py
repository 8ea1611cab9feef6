"""An audit hook: what a process does outside of the folder that it was given."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

CHANGING = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile", "shutil.copytree", "shutil.copymode",
)  # fmt: skip
REMOVING = ("os.remove", "os.rmdir")
NEVER = (
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system", "os.exec",
    "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pickle.find_class", "urllib.Request", "webbrowser.open",
)  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CODE = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[3]))
"""Where the installed code lies, which may be loaded."""


def watch(allowed: Path, forbidden: Path, say: Callable[[str], None]) -> None:
    """Tell of each event that touches anything but `allowed`; for good, since a hook cannot be taken away.

    Args:
        allowed: the run's own folder.
        forbidden: a folder that may not even be read.
    """

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if strange(event, arguments, allowed, forbidden):
            say(f"{event} {arguments!r}"[:300])

    sys.addaudithook(hook)


def strange(event: str, arguments: tuple[Any, ...], allowed: Path, forbidden: Path) -> bool:
    """Say whether an event is none of what a run does."""
    if event in NEVER:
        return True
    if event == "open":
        path, mode, flags = arguments
        writing = any(letter in str(mode or "") for letter in "wax+") or bool((flags or 0) & WRITES)
        return inside(paths([path]), forbidden) or (writing and outside(paths([path]), allowed))
    if event in REMOVING and arguments[-1] >= 0:  # rmtree names what is in a folder that it has opened
        return outside(paths([Path(f"/proc/self/fd/{arguments[-1]}", os.fsdecode(arguments[0]))]), allowed)
    if event in CHANGING:
        return outside(paths(arguments), allowed)
    if event in ("ctypes.dlopen", "import"):
        loaded = paths(arguments[:1] if event == "ctypes.dlopen" else arguments[1:2])
        return any(not str(path).startswith(CODE) for path in loaded)
    return False


def paths(arguments: Iterable[Any]) -> list[Path]:
    """The paths among an event's arguments, without links."""
    texts = [os.fsdecode(each) for each in arguments if isinstance(each, str | bytes | os.PathLike) and each]
    return [Path(os.path.realpath(text)) for text in texts if "\0" not in text]


def outside(given: list[Path], allowed: Path) -> bool:
    return any(not path.is_relative_to(allowed) and path != Path(os.devnull) for path in given)


def inside(given: list[Path], forbidden: Path) -> bool:
    return any(path.is_relative_to(forbidden) for path in given)
