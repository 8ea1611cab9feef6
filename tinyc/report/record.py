"""What report.json holds (schema 1): a run's steps, its verdicts and its artifacts, as frozen records.

docs/report.md describes every key; a test holds it to these records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from tinyc.analysis.advice.remarks import Remark
from tinyc.analysis.beside import Beside
from tinyc.measure import Ledger
from tinyc.network.contract import Skipped
from tinyc.report.device_record import DeviceRecord, RuntimeRecord
from tinyc.report.schema import STRICT, validated
from tinyc.spec.bounds import Check
from tinyc.spec.facts import Part, part
from tinyc.spec.metrics import figures
from tinyc.spec.passes import facts_of

SCHEMA: Literal[1] = 1


def difference(after: Ledger, before: Ledger) -> dict[str, float | None]:
    """Subtract one ledger from another, figure by figure; None where either was not measured.

    Bytes and counts stay integers, accuracy is a fraction. The ends of the accuracy intervals are left out:
    their difference is no interval of the difference, which has to be paired.
    """
    changes: dict[str, float | None] = {}
    for name in (row.figure for row in figures()):
        new, old = getattr(after, name), getattr(before, name)
        changes[name] = None if new is None or old is None else new - old
    return changes


@dataclass(frozen=True)
class StepRecord:
    """One pass as it ran; `use` is the pass's name and is called "pass" in JSON.

    `delta` is after minus before, `delta_source` after minus source (see `difference`); `checks` are the verdicts
    on the pass's own `expect`; `facts` holds JSON values only. `seconds` is what the pass took when it really ran.
    `told` is what must be said of the state that it gave, and what could be done about it.
    """

    index: int
    use: str
    key: str
    cached: bool
    seconds: float
    before: Ledger
    after: Ledger
    delta: Mapping[str, float | None]
    delta_source: Mapping[str, float | None]
    checks: tuple[Check, ...]
    facts: Mapping[str, Any]
    skipped: tuple[Skipped, ...]
    told: tuple[Remark, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    @property
    def kind(self) -> tuple[type, ...]:
        """The declared types of its facts: those of the pass, and those that the run looked for beside it."""
        return facts_of(self.use), Beside

    def part(self, wanted: type[Part]) -> Part | None:
        """Find the facts that are declared as `wanted`; None where it has none."""
        return part(wanted, self.facts, self.kind)

    def to_json(self) -> dict[str, Any]:
        fields = {**asdict(self), "before": self.before.to_json(), "after": self.after.to_json()}
        return {("pass" if name == "use" else name): value for name, value in fields.items()}


@dataclass(frozen=True)
class SourceTime:
    """How long the source took to be opened, trained where the recipe says so, and measured.

    Attributes:
        seconds: what it took when that was really done.
        cached: it was done by an earlier call, in this run's folder.
        trained: "here", so that the training is part of `seconds`; "earlier", its weights came from the user cache;
            None where the recipe does not train it.
        training_seconds: what the training took; None where it was stopped in between, or nobody wrote it down.
    """

    seconds: float
    cached: bool
    trained: Literal["here", "earlier"] | None = None
    training_seconds: float | None = None

    __pydantic_config__: ClassVar[ConfigDict] = STRICT


@dataclass(frozen=True)
class Artifact:
    """One file that the run leaves; `path` is relative to the run folder."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Report:
    """One finished run: `source` and `final` ledgers, every step, the verdict on every target, every artifact.

    `met` is the verdict over all targets and all expects. `seconds` is the whole run's wall time. `told` is what must
    be said of the source, `next_steps` what could be done about each missed bound; `device` is what the artifact takes
    of the device that the recipe names, `runtimes` what every runtime makes of it. Reports of older versions have none
    of these, and no `source_time`.
    """

    recipe: str
    recipe_sha256: str
    seed: int
    tinyc: str
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    source: Ledger
    final: Ledger
    met: bool
    seconds: float
    steps: tuple[StepRecord, ...]
    targets: tuple[Check, ...]
    artifacts: tuple[Artifact, ...]
    source_time: SourceTime | None = None
    told: tuple[Remark, ...] = ()
    next_steps: tuple[Remark, ...] = ()
    device: DeviceRecord | None = None
    runtimes: tuple[RuntimeRecord, ...] = ()
    schema: Literal[1] = SCHEMA

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    def to_json(self) -> dict[str, Any]:
        fields = {**asdict(self), "source": self.source.to_json(), "final": self.final.to_json()}
        return {"schema": fields.pop("schema"), **fields, "steps": [step.to_json() for step in self.steps]}

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str) -> Report:
        """Read report.json's table strictly, without its "views".

        Raises:
            UserError: a key is missing, unknown or of another type; names `where` and the key path.
        """
        steps = table.get("steps")
        renamed = [_renamed(step) for step in steps] if isinstance(steps, list) else steps
        return validated(cls, _ledgers({**table, "steps": renamed}, "source", "final"), where)


def _renamed(step: Any) -> Any:
    if not isinstance(step, Mapping):
        return step
    names: dict[Any, str] = {"pass": "use", "use": "use (the key is called pass)"}
    renamed = {names.get(name, str(name)): value for name, value in step.items()}
    return _ledgers(renamed, "before", "after")


def _ledgers(table: dict[str, Any], *names: str) -> dict[str, Any]:
    """Leave the empty `predicted` out of the ledgers of these names: schema 1 has it, and nothing reads it."""
    found = {name: table[name] for name in names if isinstance(table.get(name), Mapping)}
    return table | {
        name: {key: value for key, value in ledger.items() if (key, value) != ("predicted", [])}
        for name, ledger in found.items()
    }
