"""The processes that try hostile networks, asked from a test; and all that was seen of one trial."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.hostile import children, tracing
from support.hostile.case import Case
from support.hostile.ground import Ground, differences, lay, snapshot


@dataclass(frozen=True)
class Seen:
    """One trial: how the command and its process ended, what it said, and each trace of what was not its own."""

    code: int | None
    status: int
    output: str
    harm: tuple[str, ...]
    heavy: tuple[str, ...]


class Listener:
    """Somebody who listens on this machine, hangs up at once, and counts the calls."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.calls = 0
        threading.Thread(target=self.listen, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def listen(self) -> None:
        while True:
            try:
                call, _ = self.socket.accept()
            except OSError:
                return
            self.calls += 1
            call.close()


@dataclass
class Servers:
    """A cold and a warm process, each started when first asked."""

    folder: Path
    traced: tuple[str, ...] = ("cold", "warm")
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    listener: Listener = field(default_factory=Listener)
    count: int = 0

    def log(self, kind: str) -> Path:
        return self.folder / f"{kind}.strace"

    def start(self, kind: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", children.__file__, kind]
        if kind in self.traced and tracing.present():
            command = [*tracing.command(self.log(kind)), *command]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, kind: str, ground: Ground, deed: str, **more: Any) -> dict[str, Any]:
        """Have a child do one deed."""
        if kind not in self.running:
            self.running[kind] = self.start(kind)
        server = self.running[kind]
        told = {"folder": str(ground.folder), "templates": str(ground.templates), "port": ground.port}
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps({"deed": deed, "watched": True, **told, **more}) + "\n")
        server.stdin.flush()
        line = server.stdout.readline()
        assert line, f"the {kind} process has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def templates(self) -> Path:
        """SavedModels of Keras, written once."""
        folder = self.folder / "templates"
        if not folder.exists():
            folder.mkdir()
            done = self.ask("warm", Ground(folder), "template", watched=False)
            assert (folder / "nodes.json").exists(), done["output"]
        return folder

    def ground(self, case: Case, form: str) -> Ground:
        """A fresh ground with the hostile network on it."""
        self.count += 1
        templates = self.templates() if form == "saved" else Path()
        folder = self.folder / f"{self.count:04d}-{case.name}-{form}"
        ground = lay(folder, form, templates, self.listener.port)
        if case.tensorflow:
            done = self.ask("warm", ground, "write", case=case.name, form=form, watched=False)
            assert done["code"] == 0, done["output"]
        else:
            case.write(ground, form)
        return ground

    def attempt(self, kind: str, ground: Ground, deed: str, **more: Any) -> Seen:
        """Do a deed, and look at everything that it may have touched."""
        before, calls = snapshot(ground.canary), self.listener.calls
        done = self.ask(kind, ground, deed, **more)
        harm = differences(before, snapshot(ground.canary)) + done["events"]
        if self.listener.calls != calls:
            harm.append("somebody called")
        if self.log(kind).exists():
            harm += tracing.strange(self.log(kind), ground.run, ground.canary)
        return Seen(done["code"], done["status"], done["output"], tuple(harm), tuple(done.get("heavy", ())))

    def close(self) -> None:
        self.listener.socket.close()
        for server in self.running.values():
            server.communicate(timeout=60)
