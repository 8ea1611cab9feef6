"""What can go wrong, by who can correct it; every class carries the exit code of the command."""

from __future__ import annotations

import re
from typing import ClassVar

from tinyc.core import limits

QUOTED_VALUE = 80
"""Characters of one value of an input, within a sentence."""


class TinycError(Exception):
    """Report one failure in one message: where it is, what is wrong, and what to do about it.

    Args:
        where: the file, line and key path, or the layer, that the failure belongs to.
        problem: what was found there, with the value that was given.
        remedy: what the reader can do; may be empty when `problem` says it already.

    All three may quote an input: what a terminal would obey is spelled out, and what is long is cut.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, where: str, problem: str, remedy: str = "") -> None:
        self.where = clipped(obeyed_by_none(clipped(where)))
        self.problem = clipped(one_line(clipped(problem)))
        self.remedy = clipped(one_line(clipped(remedy)))
        super().__init__(f"{self.where}: {self.problem}" + (f"\n  {self.remedy}" if self.remedy else ""))


class UserError(TinycError):
    """A recipe, a command line, user code or user data that must change (exit 2)."""

    exit_code = 2


class MachineError(TinycError):
    """A missing tool or file, a full disk, a permission, a worker that was ended or hung (exit 3)."""

    exit_code = 3


def clipped(text: str, most: int = limits.QUOTED_CHARACTERS) -> str:
    """Cut the middle out of a text that quotes more of an input than anybody reads."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... ({len(text) - 2 * half:,} characters) ... {text[-half:]}"


def one_line(text: str) -> str:
    """Write a message of several lines, such as a library's, on one."""
    return obeyed_by_none(re.sub(r"[ \t]*[\r\n]\s*", " ", text.strip()))


def obeyed_by_none(text: str) -> str:
    """Spell out what a terminal would obey or cannot show: control characters, marks of direction, lone surrogates."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else spelled_out(letter) for letter in text)


def spelled_out(letter: str) -> str:
    """Write a character as Python does; what stands for a byte of a file's name that is not UTF-8, as that byte."""
    code = ord(letter)
    return f"\\x{code & 0xFF:02x}" if 0xDC80 <= code <= 0xDCFF else letter.encode("unicode_escape").decode()


def quoted(value: object) -> str:
    """Quote a value of an input or of user code, whose own text may be long, or raise."""
    try:
        shown = str.__repr__(value) if isinstance(value, str) else repr(value)
        return clipped(shown, QUOTED_VALUE)
    except Exception:
        return f"a {type(value).__name__}"
