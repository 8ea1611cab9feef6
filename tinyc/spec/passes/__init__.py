"""The table of passes: one row a pass, with its schema and where its work stands, which is loaded when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyc.core import lazy
from tinyc.spec.contract import Pass
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
        schema: what a recipe may say of it.
        work: "module:function"; the function takes the options, a state and a context, and returns an Outcome.
        computed: what the work makes of the same state and options; raised when that changes, so that the steps that
            people have on disk are done again.
        extra: the optional dependencies without which the work cannot be imported.
    """

    schema: type[Pass]
    work: str
    computed: int = 1
    extra: str | None = None


ROWS: Mapping[str, Row] = {
    "preprocess": Row(Preprocess, "tinyc.network.preprocess:preprocess"),
    "distill": Row(Distill, "tinyc.training.distill:distill"),
    "trim_vocabulary": Row(TrimVocabulary, "tinyc.compression.vocabulary.apply:trim_vocabulary", extra="text"),
    "factorize": Row(Factorize, "tinyc.compression.factoring.apply:factorize", computed=2),
    "prune": Row(Prune, "tinyc.compression.pruning.apply:prune", computed=2),
    "cluster": Row(Cluster, "tinyc.compression.clustering.apply:cluster", computed=2),
    "federate": Row(Federate, "tinyc.federation.apply:federate", computed=2, extra="federate"),
    "quantize": Row(Quantize, "tinyc.quantization.apply:quantize", computed=3),
    "compact": Row(Compact, "tinyc.quantization.compact:compact", computed=2),
    "export": Row(Export, "tinyc.codegen.export:export", computed=3),
    "verify": Row(Verify, "tinyc.measure.verify:verify", computed=2),
}
PASSES: Mapping[str, type[Pass]] = {use: row.schema for use, row in ROWS.items()}


def facts_of(use: str) -> type:
    """Give the declared type of a pass's facts; that of a pass that this tinyc does not have says nothing."""
    return PASSES.get(use, Pass).facts


def apply(options: Any, state: Any, context: Any) -> Any:
    """Do a pass's work on a state, and return its Outcome.

    Raises:
        UserError: the state or the data does not suit the pass.
        MachineError: the pass needs an extra that is not installed.
    """
    row = ROWS[options.use]
    return lazy.load(row.work, row.extra, options.use)(options, state, context)
