"""How the blocks of transformers treat channels: the rows beside those of `rules`, for `tinyc.network.blocks`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tinyc.compression.pruning.rules import Rule, follow
from tinyc.compression.pruning.trace import Channels, Node, Trace, Uncuttable


def token_embedding(trace: Trace, node: Node) -> Channels:
    """TokenEmbedding: embeddings (vocabulary, width); the ids it reads are not channels."""
    made = trace.fresh(node.layer.name, node.layer.width)
    trace.cut(node.layer, "embeddings", 1, made, "makes")
    trace.resize(node.layer, "width", made)
    return made


def position_embedding(trace: Trace, node: Node) -> Channels:
    """PositionEmbedding: positions (tokens, channels), added."""
    trace.cut(node.layer, "positions", 1, node.inputs[0], "follows")
    return node.inputs[0]


def layer_norm(trace: Trace, node: Node) -> Channels:
    """LayerNorm: without one channel, the mean and variance of all others would change."""
    raise Uncuttable("it normalizes its channels together")


def padding_mask(trace: Trace, node: Node) -> Channels:
    """PaddingMask: its last axis are tokens."""
    raise Uncuttable("it gives a mask of tokens")


def attention(trace: Trace, node: Node) -> Channels:
    """Attention: all channels of query, key and value that belong to one head are one coupled channel.

    What stands before it in the path of the value is the gate of a head: the output is linear in the value, and a
    head without a value is off, whatever query and key compare.
    """
    heads = node.layer.heads
    parts = [channels.reshape(heads, -1) for channels in node.inputs[:3]]
    inside = {trace.root(channel) for channel in node.inputs[2]}
    compared = {trace.root(int(channel)) for part in parts[:2] for channel in part.flat} - inside
    trace.cuts = [
        replace(cut, gate=False) if compared & {trace.root(channel) for channel in cut.channels} else cut
        for cut in trace.cuts
    ]
    own = trace.fresh(node.layer.name, heads)
    for part in parts:
        for column in part.T:
            trace.unite(own, column)
    trace.attentions.add(node.layer.name)
    trace.resize(node.layer, "heads", own)
    return np.array(node.inputs[2])


BLOCKS: Mapping[str, Rule] = {
    "TokenEmbedding": token_embedding,
    "PositionEmbedding": position_embedding,
    "LayerNorm": layer_norm,
    "PaddingMask": padding_mask,
    "Attention": attention,
    "Gelu": follow,
    "TokenPool": follow,
}
