"""The table of commands: where the work of each stands, which is loaded when the command is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tinyc.core import lazy


@dataclass(frozen=True)
class Row:
    """One command's work.

    Attributes:
        work: "module:function"; the function takes what the command line says, and gives the exit code or None for 0.
        extra: the optional dependencies without which the work cannot be imported.
    """

    work: str
    extra: str | None = None


COMMANDS: Mapping[str, Row] = {
    "compress": Row("tinyc.run.commands.compress:compress"),
    "check": Row("tinyc.run.commands.check:check"),
    "plan": Row("tinyc.run.commands.plan:plan"),
    "passes": Row("tinyc.run.commands.passes:passes"),
    "sensitivity": Row("tinyc.run.commands.sensitivity:sensitivity"),
    "inspect": Row("tinyc.run.commands.inspect:inspect"),
    "verify": Row("tinyc.run.commands.verify:verify"),
    "predict": Row("tinyc.run.commands.predict:predict"),
    "bench": Row("tinyc.run.commands.bench:bench"),
    "bench script": Row("tinyc.run.commands.bench:write_script"),
    "diagnose": Row("tinyc.run.commands.diagnose:diagnose"),
    "attack": Row("tinyc.run.commands.attack:attack"),
    "boards": Row("tinyc.run.commands.devices:boards"),
    "runtimes": Row("tinyc.run.commands.devices:runtimes"),
    "fit": Row("tinyc.run.commands.fit:fit"),
    "report": Row("tinyc.run.commands.report:report"),
    "compare": Row("tinyc.run.commands.compare:compare"),
    "cache list": Row("tinyc.run.commands.cache:list_entries"),
    "cache clear": Row("tinyc.run.commands.cache:clear"),
    "init": Row("tinyc.run.commands.init:init"),
    "federate keys": Row("tinyc.run.commands.federation_keys:keys", extra="federate"),
    "federate serve": Row("tinyc.run.commands.federate:serve", extra="federate"),
    "federate join": Row("tinyc.run.commands.federate:join", extra="federate"),
}


def work(command: str) -> Callable[..., Any]:
    """Load what a command does.

    Raises:
        MachineError: it needs an extra that is not installed.
    """
    row = COMMANDS[command]
    return lazy.load(row.work, row.extra, f"tinyc {command}")  # type: ignore[no-any-return]
