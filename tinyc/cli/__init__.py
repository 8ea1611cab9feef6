"""The commands. Importing this package imports neither TensorFlow nor matplotlib."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import click

from tinyc import __version__
from tinyc.cli import artifacts, attack, diagnosis, federation, recipes, runs, sensitivity
from tinyc.errors import MachineError, TinycError

COMMANDS = (
    recipes.compress, recipes.check, recipes.plan, recipes.passes, sensitivity.sensitivity,
    artifacts.inspect, artifacts.verify, artifacts.predict, diagnosis.diagnose,
    attack.attack,
    federation.federate,
    runs.report, runs.compare, runs.cache, runs.init,
)  # fmt: skip
NO_SPACE = "free some space (tinyc cache list shows what the cache holds), then run again; finished steps are kept"
NO_WRITING = "choose a folder that can be written: --out DIR, or TINYC_CACHE for the cache"
EXIT_CODES = """
\b
Exit codes:
  0    all targets and expects met, and verify agreed
  1    a target or an expect was missed (everything made is kept)
  2    the recipe, the command line, your code or your data
  3    this machine: a missing tool or data, disk, permission, a worker
  70   a bug of ours; the message names the log
  130  interrupted (run the same command again to go on)
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="tinyc")
def group() -> None:
    """Compress a network into an int8 TensorFlow Lite Micro artifact, by a recipe."""


for command in COMMANDS:
    group.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    sys.exit(invoke(arguments))


def invoke(arguments: list[str] | None = None) -> int:
    """Run one command; every failure becomes one message and an exit code."""
    try:
        return group.main(arguments, prog_name="tinyc", standalone_mode=False) or 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except BrokenPipeError:
        # The reader of a pipe has gone, as `| head` does; Python must not try to flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        return explain(error)


def explain(error: BaseException) -> int:
    """Say what went wrong in one message, and give the exit code."""
    match error:
        case click.Abort() | KeyboardInterrupt():
            return close(130, "interrupted; run the same command again to go on")
        case click.ClickException():
            error.show()
            return close(2, "usage")
        case TinycError():
            return fail(error)
        case OSError() | MemoryError():
            return fail(machine_error(error))
        # TensorFlow's own, which cannot be imported here.
        case Exception() if type(error).__name__ == "ResourceExhaustedError":
            return fail(machine_error(MemoryError()))
        case _:
            return close(70, f"a bug of ours: {type(error).__name__}; the log is {log(error)}")


def fail(error: TinycError) -> int:
    click.echo(f"error: {error}", err=True)
    return close(
        error.exit_code, {2: "recipe, usage, user code or data", 3: "this machine"}.get(error.exit_code, "bug")
    )


def close(code: int, reason: str) -> int:
    """Say the exit code last, since make turns every failure into 2."""
    click.echo(f"tinyc: exit {code} ({reason})", err=True)
    return code


def machine_error(error: OSError | MemoryError) -> MachineError:
    """Word what the operating system refused."""
    if isinstance(error, MemoryError):
        return MachineError("memory", "this machine has not enough of it", "close other programs, or lower `batch`")
    where = str(error.filename or "this machine")
    remedies = {
        errno.ENOSPC: NO_SPACE,
        errno.EDQUOT: NO_SPACE,
        errno.EROFS: NO_WRITING,
        errno.EACCES: NO_WRITING,
        errno.ENOENT: NO_WRITING,
    }
    return MachineError(where, error.strerror or str(error), remedies.get(error.errno or 0, ""))


def log(error: BaseException) -> Path:
    """Keep the traceback of a bug in a file."""
    folder = Path(tempfile.gettempdir())
    path = folder / f"tinyc-bug-{time.strftime('%Y%m%d-%H%M%S')}.log"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return path
