"""Where each key of a TOML text stands, since the standard library's parser does not say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Keys = tuple[str | int, ...]
HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
ASSIGNMENT = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
STRINGS = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'')


@dataclass(frozen=True)
class Lines:
    """The line, from 1, of every key and table header of one file."""

    path: Path
    numbers: Mapping[Keys, int]

    def line(self, keys: Keys) -> int | None:
        """The line of a key, or of the nearest key above it (an inline table stands on its key's line)."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.numbers:
                return self.numbers[keys[:length]]
        return None

    @classmethod
    def scan(cls, path: Path, text: str) -> Lines:
        """Note the line of every header and assignment of a text that `tomllib` has accepted."""
        numbers: dict[Keys, int] = {}
        counts: dict[Keys, int] = {}
        prefix: Keys = ()
        depth, quote = 0, ""
        for number, line in enumerate(text.splitlines(), start=1):
            if not depth and not quote:
                prefix = note(line, number, prefix, numbers, counts)
            depth, quote = after(line, depth, quote)
        return cls(path, numbers)


def note(line: str, number: int, prefix: Keys, numbers: dict[Keys, int], counts: dict[Keys, int]) -> Keys:
    """Note one line's header or key; give the prefix of the lines that follow."""
    header = HEADER.match(line)
    if header:
        prefix = split(header[2])
        if header[1] == "[[":
            index = counts.get(prefix, 0)
            counts[prefix] = index + 1
            prefix = (*prefix, index)
        numbers.setdefault(prefix, number)
        return prefix
    assignment = ASSIGNMENT.match(line)
    if assignment:
        numbers.setdefault((*prefix, *split(assignment[1])), number)
    return prefix


def split(dotted: str) -> Keys:
    """Split a dotted key into its parts, without quotes."""
    return tuple(part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", dotted))


def after(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Follow brackets and triple quotes over the end of a line."""
    if quote:
        return (depth, "") if quote in line else (depth, quote)
    bare = STRINGS.sub('""', line.replace('"""', "\0").replace("'''", "\1")).split("#")[0]
    for mark, opened in (("\0", '"""'), ("\1", "'''")):
        if bare.count(mark) % 2:
            return depth, opened
    if not depth and HEADER.match(line):
        return 0, ""
    return max(0, depth + sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}")), ""
