"""The table of passes: one row a pass. Importing it imports no TensorFlow."""

from __future__ import annotations

from typing import Any

from tinyc.passes.cluster import Cluster
from tinyc.passes.compact import Compact
from tinyc.passes.distill import Distill
from tinyc.passes.export import Export
from tinyc.passes.factorize import Factorize
from tinyc.passes.federate import Federate
from tinyc.passes.preprocess import Preprocess
from tinyc.passes.prune import Prune
from tinyc.passes.quantize import Quantize
from tinyc.passes.trim_vocabulary import TrimVocabulary
from tinyc.passes.verify import Verify

# Each is a pydantic model and a `contract.Pass`, which no one type spells.
PASSES: dict[str, Any] = {
    "preprocess": Preprocess,
    "distill": Distill,
    "trim_vocabulary": TrimVocabulary,
    "factorize": Factorize,
    "prune": Prune,
    "cluster": Cluster,
    "federate": Federate,
    "quantize": Quantize,
    "compact": Compact,
    "export": Export,
    "verify": Verify,
}
