"""What can go wrong, by who can mend it; every class carries the exit code of the command."""

from __future__ import annotations

from typing import ClassVar

from tinyc import limits


class TinycError(Exception):
    """Report one failure in one message: where it is, what is wrong, and what to do about it.

    Args:
        where: the file, line and key path, or the layer, that the failure belongs to.
        problem: what was found there, with the value that was given.
        remedy: what the reader can do; may be empty when `problem` says it already.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, where: str, problem: str, remedy: str = "") -> None:
        self.where = clipped(where)
        self.problem = clipped(problem)
        self.remedy = clipped(remedy)
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
