"""Channels are followed through operators that came in as layers; the cut network equals the silenced one."""

from __future__ import annotations

import numpy as np
import pytest
from support.operators import WIDTH, WRITTEN, X, layers, network
from support.optional import not_none
from support.pruning_networks import choose, relative_error, zeroed

from tinyc.compression.pruning.graph import channel_graph
from tinyc.compression.pruning.importance import Examples
from tinyc.compression.pruning.layer_amounts import resolve_amounts
from tinyc.compression.pruning.products import of_node
from tinyc.compression.pruning.structured import Ranking
from tinyc.compression.pruning.surgery import remove_channels
from tinyc.network.rewriting.functions import in_layers

EXAMPLES = Examples(X, np.arange(len(X)) % 4)
WHOLE = {"over channels", "activations", "channel shuffle"}
"""Where every channel is computed from all, or channels change places: nothing before may be cut."""


def unread(model, choice):
    """The network with the removed channels silent, and read by nothing: of a silent one 2 - x makes 2."""
    copy = zeroed(model, choice.graph, choice.keep)
    for cut in choice.graph.cuts:
        if cut.role == "reads":
            kernel = getattr(copy.get_layer(cut.layer), cut.weight)
            kept = np.moveaxis(kernel.numpy(), cut.axis, -1) * choice.keep[cut.channels]
            kernel.assign(np.moveaxis(kept, -1, cut.axis))
    return copy


def cut(model, fraction=0.5):
    amounts = resolve_amounts(model, fraction, [], [], "prune")
    choice = choose(model, Ranking(fraction), amounts, "prune", EXAMPLES)
    return remove_channels(model, choice.graph, choice.keep), unread(model, choice), choice


@pytest.mark.parametrize("name", WRITTEN)
def test_the_cut_network_equals_the_silenced_one(name):
    model = in_layers(network(WRITTEN[name]))
    smaller, silent, choice = cut(model)
    made = smaller.get_layer("before").filters
    assert made == (WIDTH if name in WHOLE else WIDTH // 2)
    assert relative_error(smaller, silent, X) <= 1e-5
    assert relative_error(smaller, model, X) > 1e-3
    if name in WHOLE:
        assert any(each.layer not in ("head", "image") for each in choice.skipped)


def test_constants_of_channels_go_with_their_channels():
    model = in_layers(network(WRITTEN["by channel"]))
    smaller, _, choice = cut(model)
    kept = next(each for each in choice.graph.cuts if each.layer == "before" and each.weight == "bias").channels
    for layer in model.layers:
        if type(layer).__name__ == "WithConstant" and np.ndim(layer.constant):
            np.testing.assert_array_equal(
                smaller.get_layer(layer.name).constant, np.asarray(layer.constant)[choice.keep[kept]]
            )


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (lambda x: x[..., 1:4], "not an equal part"),
        (lambda x: x[..., ::2], "not an equal part"),
        (lambda x: layers.Conv2D(1, 1)(x) * np.linspace(0, 1, 5, dtype=np.float32), "spreads one channel"),
    ],
)
def test_what_cannot_be_followed_is_kept_whole_and_said(written, why):
    model = in_layers(network(written))
    said = [each for group in channel_graph(model).groups for each in group.skipped(model)]
    assert any(why in each.why for each in said)


def test_products_of_matrices_are_counted():
    import tensorflow as tf

    def product(x):
        rows = layers.Reshape((64, WIDTH))(x)
        return layers.Reshape((8, 8, 64))(tf.matmul(rows, rows, transpose_b=True))

    model = in_layers(network(product))
    node = next(layer for layer in model.layers if type(layer).__name__ == "MatMul").inbound_nodes[0]
    assert not_none(of_node(node)).free == 64 * 64 * WIDTH
