"""Tables of token ids with fewer rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinyc.compression.pruning.graph import ChannelGraph, walk
from tinyc.compression.pruning.surgery import remove_channels
from tinyc.compression.pruning.trace import Cut, Resize
from tinyc.compression.vocabulary.definition import Kept
from tinyc.core.errors import UserError
from tinyc.network.checks import require_functional

TABLES = {"TokenEmbedding": "vocabulary", "Embedding": "input_dim"}
"""The layers that look ids up, and what their config calls the number of rows."""

BLIND = ("PaddingMask",)
"""The layers that read ids and only tell padding from the rest."""


def id_tables(model: Any, pieces: int, where: str) -> list[Any]:
    """List the layers that look the network's input up in a table.

    Raises:
        UserError: there is none, one has fewer rows than there are pieces, or another kind of layer reads the ids.
    """
    require_functional(model)
    readers = {node.layer.name: node.layer for node in walk(model) if not node.is_input and reads_ids(node, model)}
    tables = [layer for layer in readers.values() if type(layer).__name__ in TABLES]
    other = [layer for layer in readers.values() if type(layer).__name__ not in (*TABLES, *BLIND)]
    if other:
        problem = f"layer {other[0].name!r} ({type(other[0]).__name__}) reads the token ids, which will change"
        raise UserError(where, problem, "look ids up in a TokenEmbedding, and make masks with a PaddingMask")
    if not tables:
        remedy = "look its input up in a TokenEmbedding, as models/bert.py does"
        raise UserError(where, "no layer looks the network's token ids up", remedy)
    for table in tables:
        if table.embeddings.shape[0] < pieces:
            problem = f"layer {table.name!r} has {table.embeddings.shape[0]} rows for {pieces} word pieces"
            raise UserError(where, problem, "build the network for the data's vocabulary")
    return tables


def reads_ids(node: Any, model: Any) -> bool:
    return any(tensor is model.inputs[0] for tensor in node.keras_inputs)


def keep_rows(model: Any, tables: Sequence[Any], kept: Kept) -> Any:
    """Build a fresh network whose tables hold only the rows that `kept` marks; rows beyond it go as well."""
    rows = {table.name: np.arange(table.embeddings.shape[0]) for table in tables}
    count = max(map(len, rows.values()))
    graph = ChannelGraph(
        groups=(),
        cuts=tuple(Cut(name, "embeddings", 0, each, "reads") for name, each in rows.items()),
        resizes=tuple(Resize(table.name, TABLES[type(table).__name__], rows[table.name]) for table in tables),
        normalized=frozenset(),
        count=count,
    )
    return remove_channels(model, graph, np.concatenate([kept, np.zeros(count - len(kept), bool)]))
