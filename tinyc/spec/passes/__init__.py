"""The table of passes: one row a pass, with its schema and where its work stands, which is loaded when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyc.core import lazy
from tinyc.spec.passes.cluster import Cluster
from tinyc.spec.passes.compact import Compact
from tinyc.spec.passes.distill import Distill
from tinyc.spec.passes.export import Export
from tinyc.spec.passes.factorize import Factorize
from tinyc.spec.passes.federate import Federate
from tinyc.spec.passes.preprocess import Preprocess
from tinyc.spec.passes.prune import Prune
from tinyc.spec.passes.quantize import Quantize
from tinyc.spec.passes.trim_vocabulary import TrimVocabulary
from tinyc.spec.passes.verify import Verify


@dataclass(frozen=True)
class Row:
    """One pass.

    Attributes:
        schema: a pydantic model and a `contract.Pass`, which no one type spells.
        work: "module:function"; the function takes the options, a state and a context, and returns an Outcome.
        extra: the optional dependencies without which the work cannot be imported.
    """

    schema: Any
    work: str
    extra: str | None = None


ROWS: Mapping[str, Row] = {
    "preprocess": Row(Preprocess, ""),
    "distill": Row(Distill, ""),
    "trim_vocabulary": Row(TrimVocabulary, ""),
    "factorize": Row(Factorize, ""),
    "prune": Row(Prune, ""),
    "cluster": Row(Cluster, ""),
    "federate": Row(Federate, "tinyc.federation.apply:federate", "federate"),
    "quantize": Row(Quantize, ""),
    "compact": Row(Compact, ""),
    "export": Row(Export, ""),
    "verify": Row(Verify, "tinyc.measure.verify:verify"),
}
PASSES: Mapping[str, Any] = {use: row.schema for use, row in ROWS.items()}


def apply(options: Any, state: Any, context: Any) -> Any:
    """Do a pass's work on a state, and return its Outcome.

    Raises:
        UserError: the state or the data does not suit the pass.
        MachineError: the pass needs an extra that is not installed.
    """
    row = ROWS[options.use]
    if not row.work:
        return options.apply(state, context)
    return lazy.load(row.work, row.extra, options.use)(options, state, context)
