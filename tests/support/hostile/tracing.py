"""System calls of a child, from the log of strace: what C and C++ do, which no audit hook sees."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

from support.hostile.children import MARK

WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
CHANGING = ("unlink", "rename", "mkdir", "rmdir", "symlink", "link", "truncate", "chmod", "chown", "mknod", "creat")
CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<rest>.*)$")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
ABROAD = re.compile(r"AF_INET")
FREE = ("/dev/null", "/dev/tty", "/proc/self/", "/dev/shm/")


@functools.cache
def present() -> bool:
    """Say whether strace is here, and may trace."""
    if shutil.which("strace") is None:
        return False
    return not subprocess.run(["strace", "-f", "true"], capture_output=True, check=False).returncode


def command(log: Path) -> list[str]:
    """What to put before a command so that it is traced."""
    return ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "512", "-e", "trace=%file,%network,execve", "-o", str(log)]


def strange(log: Path, run: Path, canary: Path) -> list[str]:
    """The calls of one child that write outside of its run, read the canary, connect, or start a program."""
    return [line for line in between(log, run.parent.name) if is_strange(line, run, canary)]


def between(log: Path, name: str) -> list[str]:
    """The lines of the log between the marks of a ground's last child; an earlier one may have written the network."""
    within, found = False, list[str]()
    for line in log.read_text(errors="replace").splitlines():
        if f"{MARK}/begin/{name}" in line:
            within, found = True, []
        elif f"{MARK}/end/{name}" in line:
            within = False
        elif within:
            found.append(line)
    return found


def is_strange(line: str, run: Path, canary: Path) -> bool:
    call = CALL.match(line)
    if call is None or "= -1 ENOSYS" in line:
        return False
    name, rest = call["name"], call["rest"]
    if name in ("connect", "bind", "sendto"):
        return bool(ABROAD.search(rest))
    if name.startswith("execve"):
        return True
    texts = QUOTED.findall(rest)
    places = [Path(os.path.normpath(run / text)) for text in texts if text]
    if name.startswith("open"):
        reading = any(place.is_relative_to(canary) for place in places[:1])
        writes = WRITING.search(rest) is not None
        return reading or (writes and any(abroad(place, run) for place in places[:1]))
    return name.startswith(CHANGING) and any(abroad(place, run) for place in places)


def abroad(place: Path, run: Path) -> bool:
    folder = run.parent
    own = place.is_relative_to(run) or place in (folder / "result.json", folder / "output.txt")
    return not own and not str(place).startswith(FREE)
