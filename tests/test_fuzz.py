"""Damaged inputs, over every reader: each ends in its result or in one message, and touches nothing beside it.

The same 300 inputs in every run; `make test-long` draws 5,000.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fuzz import forking
from fuzz.places import PLACES
from fuzz.readers import NO_FILES, READERS, Reader

INPUTS = 5000 if os.environ.get("TINYC_TEST_LONG") else 300
TOTAL = sum(reader.share for reader in READERS.values())
LONGEST_MESSAGE = 10_000
FINE = (0, 1, 2, 3)


@dataclass
class Forkers:
    """The two processes that fork children, each started when first asked."""

    templates: Path
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def ask(self, kind: str, **job: Any) -> dict[str, Any]:
        if kind not in self.running:
            environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"}
            command = [sys.executable, "-P", forking.__file__, kind, str(self.templates)]
            self.running[kind] = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        server = self.running[kind]
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        line = server.stdout.readline()
        assert line, f"the {kind} process has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def lay(self, name: str, reader: Reader) -> None:
        """Have the sound input written, once for all readers of it."""
        if not (self.templates / reader.seed.__name__).exists():
            done = self.ask("heavy", reader=name, lay=True)
            assert done["code"] == 0, done

    def close(self) -> None:
        for server in self.running.values():
            server.communicate(timeout=60)


@pytest.fixture(scope="module")
def forkers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forkers]:
    started = Forkers(tmp_path_factory.mktemp("fuzz"))
    yield started
    started.close()


def count(reader: Reader) -> int:
    return max(1, round(INPUTS * reader.share / TOTAL))


def wrong(done: dict[str, Any]) -> str | None:
    """Say what is wrong with how an input ended."""
    output, code = done["output"], done["code"]
    refused = code in (2, 3)
    faults = {
        f"hung or crashed: status {done['status']} after {done['seconds']:.0f} s": done["status"] != 0,
        "the test itself failed": "the test itself" in output,
        f"exit {code}": code not in FINE,
        "a traceback": "Traceback" in output,
        "out of memory": "not enough of it" in output,
        f"touched what is not its own: {done['events'][:3]}": bool(done["events"]),
        "no message": refused and not re.search("^[Ee]rror: ", output, re.MULTILINE),
        "characters that a terminal obeys": refused and not all(map(str.isprintable, output.split("\n"))),
        f"{done['length']} characters of output": refused and done["length"] > LONGEST_MESSAGE,
    }
    return next((fault for fault, found in faults.items() if found), None)


@pytest.mark.parametrize("name", READERS)
def test_damaged_inputs_end_in_one_message(name: str, forkers: Forkers) -> None:
    reader = READERS[name]
    forkers.lay(name, reader)
    kind = "heavy" if reader.heavy else "cold"
    failed = []
    for seed in range(count(reader)):
        done = forkers.ask(kind, reader=name, seed=seed)
        problem = wrong(done)
        if problem:
            failed.append(f"{name}, seed {seed}: {problem}\n{done['output'][-1500:]}")
    assert not failed, f"{len(failed)} of {count(reader)}:\n" + "\n".join(failed[:20])


@pytest.mark.parametrize("name", [name for name in READERS if name not in NO_FILES])
def test_what_is_no_file_ends_in_one_message(name: str, forkers: Forkers) -> None:
    """A pipe must not hang, a device not fill the memory, and a file of 64 GiB not be read."""
    reader = READERS[name]
    forkers.lay(name, reader)
    failed = []
    for place in PLACES:
        done = forkers.ask("heavy" if reader.heavy else "cold", reader=name, place=place)
        problem = wrong(done)
        if problem:
            failed.append(f"{name}, {place}: {problem}\n{done['output'][-1500:]}")
    assert not failed, f"{len(failed)} of {len(PLACES)}:\n" + "\n".join(failed)
