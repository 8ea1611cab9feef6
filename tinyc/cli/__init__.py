"""The commands. Importing this package imports neither TensorFlow nor matplotlib."""

from __future__ import annotations

import sys

import click

from tinyc import __version__
from tinyc.cli import analyses, artifacts, bench, devices, federation, recipes, runs
from tinyc.cli.ending import explain
from tinyc.core import descriptors, interrupts, streams

COMMANDS = (
    recipes.compress, recipes.check, recipes.plan, recipes.passes, analyses.sensitivity,
    artifacts.inspect, artifacts.verify, artifacts.predict, bench.bench, analyses.diagnose,
    analyses.attack, devices.boards, devices.runtimes, devices.fit,
    federation.federate,
    runs.report, runs.compare, runs.cache, runs.init,
)  # fmt: skip
EXIT_CODES = """
\b
Exit codes:
  0    all targets and expects met, and verify agreed
  1    a target or an expect was missed (everything made is kept)
  2    the recipe, the command line, your code or your data
  3    this machine: a missing tool or data, disk, permission, a worker
  70   a bug of ours; the message names the log
  130  interrupted, 143 terminated (run the same command again to go on)
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="tinyc")
def group() -> None:
    """Compress a network into an int8 TensorFlow Lite Micro artifact, by a recipe."""


for command in COMMANDS:
    group.add_command(command)


def main() -> None:
    """Run the command that this process was started for, and end with its exit code."""
    descriptors.open_closed()
    interrupts.install()
    streams.settle()
    code = invoke()
    interrupts.STATE.ending = True
    error = streams.lost() if code in (0, 1) else None
    if error:
        streams.note(f"standard output could not be written: {(error.strerror or str(error)).lower()}")
    interrupts.end(code)


def invoke(arguments: list[str] | None = None) -> int:
    """Run one command; every failure becomes one message and an exit code."""
    try:
        # As `group.main` does, which writes an empty line where it is interrupted.
        with group.make_context("tinyc", sys.argv[1:] if arguments is None else arguments.copy()) as context:
            return group.invoke(context) or 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (Exception, KeyboardInterrupt) as error:
        return explain(error)
