"""How a command ends: every failure is one message and an exit code."""

from __future__ import annotations

import errno
import io

import click

from tinyc.cli import bugs
from tinyc.core import files, interrupts, streams
from tinyc.core.errors import MachineError, TinycError, UserError, clipped, obeyed_by_none

NO_SPACE = "free some space (tinyc cache list shows what the cache holds), then run again; finished steps are kept"
NO_WRITING = "choose a folder that can be written: --out DIR, or TINYC_CACHE for the cache"
REMEDIES = {
    errno.ENOSPC: NO_SPACE,
    errno.EDQUOT: NO_SPACE,
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f), then run again; finished steps are kept",
    errno.EROFS: NO_WRITING,
    errno.EACCES: NO_WRITING,
    errno.EPERM: NO_WRITING,
    errno.ENOENT: NO_WRITING,
    errno.EISDIR: "move that folder away, or give another one by --out",
}
REASONS = {2: "recipe, usage, user code or data", 3: "this machine"}


def explain(error: BaseException) -> int:
    """Say what went wrong in one message, and give the exit code."""
    interrupts.STATE.ending = True
    # Whatever is raised after a signal is its consequence.
    if interrupts.STATE.code is not None or isinstance(error, click.Abort | KeyboardInterrupt):
        return interrupted()
    match error:
        case click.ClickException():
            streams.note(usage(error))
            return close(2, "usage")
        case TinycError():
            return fail(error)
        case OSError() | MemoryError():
            return fail(system_error(error))
        # TensorFlow's own, which cannot be imported here.
        case Exception() if type(error).__name__ == "ResourceExhaustedError":
            return fail(system_error(MemoryError()))
        case _:
            return close(70, bugs.report(error))


def interrupted() -> int:
    """Say that a signal ended the command."""
    code = interrupts.STATE.code or 130
    interrupts.STATE.said = code
    streams.note(interrupts.line(code))
    return code


def fail(error: TinycError) -> int:
    streams.note(f"error: {error}")
    return close(error.exit_code, REASONS[error.exit_code])


def close(code: int, reason: str) -> int:
    """Say the exit code last, since make turns every failure into 2."""
    interrupts.STATE.said = code
    streams.note(f"tinyc: exit {code} ({reason})")
    return code


def usage(error: click.ClickException) -> str:
    """Return what click says of a command line, without quoting all of it."""
    stream = io.StringIO()
    error.show(file=stream)
    head, mark, message = stream.getvalue().rstrip().partition("Error: ")
    return head + mark + obeyed_by_none(clipped(message))


def system_error(error: OSError | MemoryError) -> TinycError:
    """Word what the operating system refused."""
    if isinstance(error, MemoryError):
        return MachineError(
            "memory", "this machine does not have enough of it", "close other programs, or lower `batch`"
        )
    where, problem = str(error.filename or "this machine"), error.strerror or str(error)
    if error.filename and error.errno in files.BAD_PATHS:
        return UserError(where, f"is not a path: {problem.lower()}", "give another one")
    return MachineError(where, problem, REMEDIES.get(error.errno or 0, ""))
