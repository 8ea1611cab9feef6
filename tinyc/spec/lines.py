"""Where each key of a TOML text stands, since the standard library's parser does not say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Keys = tuple[str | int, ...]
HEADER = re.compile(r"\s*(\[\[?)([^\[\]=]+)\]\]?\s*$")
ASSIGNMENT = re.compile(r"\s*([\w-][\w\-. \t]*)=")
PART = re.compile(r"""\s*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|([\w-]+))\s*\.?""")
# Strings, of three quotes or one, and comments; what is not closed goes on to the end, where tomllib refuses it.
OPAQUE = re.compile(
    r"""
    \"{3} (?: \\. | [^\\] )*? (?: \"{3,5} | \Z )
    | '{3} .*? (?: '{3,5} | \Z )
    | " (?: \\[^\n] | [^"\\\n] )*+ "?
    | ' [^'\n]*+ '?
    | \# [^\n]*+
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Lines:
    """The line, from 1, of every key and table header of one file."""

    path: Path
    numbers: Mapping[Keys, int]

    def line(self, keys: Keys) -> int | None:
        """Return the line of a key, or of the nearest key above it (an inline table stands on its key's line)."""
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
        depth = 0
        pairs = zip(text.split("\n"), bare(text).split("\n"), strict=True)
        for number, (line, shown) in enumerate(pairs, start=1):
            header = None if depth else HEADER.match(shown)
            if header:
                prefix = header_keys(header[1], split(line[header.start(2) : header.end(2)]), counts)
                note(prefix, number, numbers)
                continue
            assignment = None if depth else ASSIGNMENT.match(shown)
            if assignment:
                note((*prefix, *split(line[: assignment.end(1)])), number, numbers)
            depth = max(0, depth + sum(map(shown.count, "[{")) - sum(map(shown.count, "]}")))
        return cls(path, numbers)


def bare(text: str) -> str:
    """Write a TOML text, letter for letter, with `_` for strings and nothing for comments; lines stay lines."""
    return OPAQUE.sub(lambda found: re.sub("[^\n]", " " if found[0][0] == "#" else "_", found[0]), text)


def note(keys: Keys, number: int, numbers: dict[Keys, int]) -> None:
    """Note the line of a key, and of the tables that it begins."""
    for length in range(len(keys), 0, -1):
        numbers.setdefault(keys[:length], number)


def header_keys(bracket: str, keys: Keys, counts: dict[Keys, int]) -> Keys:
    """Return the keys that a header stands for; each `[[...]]` of one name is one further entry of a list."""
    if bracket == "[":
        return keys
    counts[keys] = counts.get(keys, -1) + 1
    return (*keys, counts[keys])


def split(dotted: str) -> Keys:
    """Split a dotted key into its parts, without quotes."""
    return tuple(double or single or plain for double, single, plain in PART.findall(dotted))
