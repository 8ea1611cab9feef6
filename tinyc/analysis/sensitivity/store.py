"""Probes kept as they end, so that a second call goes on where the first was stopped.

probes-<key>.jsonl    {"examples": 512}                                   how many examples all of them share
                      {"probe": "cut 0 4", "accuracy": 0.9, "loss": 0.3}   one line a finished probe
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from tinyc.core import cache, files, limits
from tinyc.core.errors import UserError
from tinyc.spec.sensitivity_file import Score


class Kept:
    """The finished probes of one network, data and set of options, by name; a torn last line is dropped."""

    def __init__(self, folder: Path, key: str) -> None:
        self.path = folder / f"probes-{key[:12]}.jsonl"
        self.examples: int | None = None
        self.scores: dict[str, Score] = {}
        with suppress(UserError):
            self.read(files.read_text(self.path, limits.JSON_BYTES).splitlines())

    def read(self, lines: list[str]) -> None:
        """Take up the lines as far as they are whole."""
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            self.examples = int(json.loads(lines[0])["examples"]) if lines else None
            for line in lines[1:]:
                found = json.loads(line)
                self.scores[found["probe"]] = Score(float(found["accuracy"]), float(found["loss"]))

    def begin(self, examples: int) -> None:
        """Write what is known anew, so that lines added later follow whole ones."""
        self.examples = examples
        whole = [json.dumps({"examples": examples}) + "\n", *(line(*item) for item in self.scores.items())]
        cache.write(self.path, lambda stream: stream.write("".join(whole).encode()))

    def add(self, name: str, score: Score) -> None:
        """Keep one more; it is on disk when this returns."""
        self.scores[name] = score
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(line(name, score))

    def forget(self) -> None:
        """Drop all of them."""
        self.path.unlink(missing_ok=True)
        self.examples, self.scores = None, {}


def line(name: str, score: Score) -> str:
    return json.dumps({"probe": name, "accuracy": score.accuracy, "loss": score.loss}) + "\n"
