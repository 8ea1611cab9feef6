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
    "preprocess": Row(Preprocess, "tinyc.network.preprocess:preprocess"),
    "distill": Row(Distill, "tinyc.training.distill:distill"),
    "trim_vocabulary": Row(TrimVocabulary, "tinyc.compression.vocabulary.apply:trim_vocabulary", "text"),
    "factorize": Row(Factorize, "tinyc.compression.factoring.apply:factorize"),
    "prune": Row(Prune, "tinyc.compression.pruning.apply:prune"),
    "cluster": Row(Cluster, "tinyc.compression.clustering.apply:cluster"),
    "federate": Row(Federate, "tinyc.federation.apply:federate", "federate"),
    "quantize": Row(Quantize, "tinyc.quantization.apply:quantize"),
    "compact": Row(Compact, "tinyc.quantization.compact:compact"),
    "export": Row(Export, "tinyc.codegen.export:export"),
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
    return lazy.load(row.work, row.extra, options.use)(options, state, context)
