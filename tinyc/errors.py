"""What can go wrong, by who can mend it; every class carries the exit code of the command."""

from __future__ import annotations

import re
from typing import ClassVar

from tinyc import limits

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
QUOTED_VALUE = 80
"""Characters of one value of an input, within a sentence."""


class TinycError(Exception):
    """Report one failure in one message: where it is, what is wrong, and what to do about it.

    Args:
        where: the file, line and key path, or the layer, that the failure belongs to.
        problem: what was found there, with the value that was given.
        remedy: what the reader can do; may be empty when `problem` says it already.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, where: str, problem: str, remedy: str = "") -> None:
        self.where = printable(clipped(where))
        self.problem = printable(clipped(problem))
        self.remedy = printable(clipped(remedy))
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


def printable(text: str) -> str:
    """Escape control characters, and what stands for bytes that are no UTF-8, as in a file's name."""
    return UNPRINTABLE.sub(lambda found: escaped(found[0]), text)


def escaped(character: str) -> str:
    """Write one character as Python does: as a byte where it stands for one that is no UTF-8."""
    code = ord(character)
    return f"\\x{code & 0xFF:02x}" if code < 0xA0 or 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def quoted(value: object) -> str:
    """Quote a value of an input or of user code, whose own text may be long, or raise."""
    try:
        shown = str.__repr__(value) if isinstance(value, str) else repr(value)
        return clipped(shown, QUOTED_VALUE)
    except Exception:
        return f"a {type(value).__name__}"
