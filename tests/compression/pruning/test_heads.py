"""Heads of attention and the feed-forward width are cut exactly, and ranked at the head's own output."""

import functools

import numpy as np
import pytest
from support.attention_networks import TOKENS, encoder, ids
from support.pruning_networks import choose, relative_error, zeroed

from tinyc.compression.pruning.graph import channel_graph
from tinyc.compression.pruning.importance import Examples, scores
from tinyc.compression.pruning.layer_amounts import LayerAmount, resolve_amounts
from tinyc.compression.pruning.structured import Ranking, channels
from tinyc.compression.pruning.surgery import remove_channels
from tinyc.core.errors import UserError
from tinyc.network import backend

EXAMPLES = Examples(ids(40, seed=9), np.arange(40) % 3)
shared = functools.cache(encoder)
"""Encoders for tests that change nothing of them."""
HEADS = tuple(f"layer0_{part}" for part in ("query", "key", "value", "attention"))


def prune(model, ranking, only=(), skip=()):
    return channels(model, ranking, resolve_amounts(model, ranking.fraction, only, skip, "prune"), "prune", EXAMPLES)


def heads(model):
    return [model.get_layer(f"layer{index}_attention").heads for index in range(2)]


def test_groups_of_an_encoder():
    groups = {group.layers: group for group in channel_graph(shared()).groups if not group.blocked}
    assert {names: len(group.channels) for names, group in groups.items()} == {
        HEADS: 4,
        tuple(name.replace("0", "1") for name in HEADS): 4,
        ("layer0_inner",): 12,
        ("layer1_inner",): 12,
    }
    assert groups[HEADS].attentions == ("layer0_attention",)


@pytest.mark.parametrize("part", ["heads", "channels"])
@pytest.mark.parametrize(
    ("importance", "scope"), [("l1", "group"), ("l2", "global"), ("taylor", "global"), ("gate", "group")]
)
def test_surgery_equals_silence(part, importance, scope):
    model = shared(head_width=3, embedding=5)
    amounts = resolve_amounts(model, 0.5, [], [], "prune")
    choice = choose(model, Ranking(0.5, importance, scope, part=part), amounts, "prune", EXAMPLES)
    smaller = remove_channels(model, choice.graph, choice.keep)
    assert choice.removals.sum() == (4 if part == "heads" else 14)
    assert smaller.count_params() < model.count_params()
    assert relative_error(smaller, zeroed(model, choice.graph, choice.keep), ids()) <= 1e-5
    assert relative_error(smaller, model, ids()) > 1e-3
    for index in range(2):
        left = smaller.get_layer(f"layer{index}_attention").heads
        units = [smaller.get_layer(f"layer{index}_{name}").units for name in ("query", "key", "value")]
        assert units == [3 * left] * 3


def test_silent_values_alone_are_a_removed_head():
    model = shared()
    pruned = prune(model, Ranking(0.5, part="heads"))
    silent = backend.keras().models.clone_model(model)
    silent.set_weights(model.get_weights())
    for index in range(2):
        old = model.get_layer(f"layer{index}_query").get_weights()[0]
        new = pruned.model.get_layer(f"layer{index}_query").get_weights()[0]
        stays = (old[:, :, None] == new[:, None, :]).all(axis=0).any(axis=1)
        assert stays.reshape(4, 2).all(axis=1).sum() == 2 == stays.sum() / 2
        kernel, bias = silent.get_layer(f"layer{index}_value").get_weights()
        silent.get_layer(f"layer{index}_value").set_weights([kernel * stays, bias * stays])
    assert relative_error(pruned.model, silent, ids()) <= 1e-5


def test_heads_and_channels_leave_each_other_alone():
    model = shared()
    few = prune(model, Ranking(0.5, part="heads"))
    assert heads(few.model) == [2, 2]
    assert few.model.get_layer("layer0_inner").units == 12
    assert [(group.attentions, group.before, group.after) for group in few.groups] == [
        (("layer0_attention",), 4, 2), (("layer1_attention",), 4, 2),
    ]  # fmt: skip
    assert not few.skipped
    narrow = prune(model, Ranking(0.5))
    assert heads(narrow.model) == [4, 4]
    assert narrow.model.get_layer("layer0_inner").units == 6
    reasons = {each.layer: each.why for each in narrow.skipped}
    assert 'how = "heads" cuts them' in reasons["layer0_query"]
    assert "embedding_norm': it normalizes its channels together" in reasons["layer0_output"]
    assert "it normalizes its channels together" in reasons["tokens"]


def test_selectors_name_the_attention_or_its_projections():
    for name in HEADS:
        assert heads(prune(shared(), Ranking(0.5, part="heads"), [LayerAmount(name, 0.75)]).model) == [1, 4]
        assert heads(prune(shared(), Ranking(0.5, part="heads"), skip=[name]).model) == [4, 2]
    with pytest.raises(UserError, match="no heads can be cut"):
        prune(shared(), Ranking(0.5, part="heads"), [LayerAmount("layer0_inner")])


def test_one_head_stays():
    assert heads(prune(shared(), Ranking(0.99, part="heads")).model) == [1, 1]
    assert heads(prune(shared(), Ranking(0.99, "taylor", "global", part="heads")).model) == [1, 1]


def gated_losses(model, layer, factors):
    """The loss of each example with the heads of one layer multiplied by factors, at the rows that read them."""
    tf, reader = backend.tensorflow(), model.get_layer(f"{layer}_output")
    kernel, bias = reader.get_weights()
    reader.set_weights([kernel * np.repeat(factors, kernel.shape[0] // len(factors))[:, None], bias])
    logits = model(EXAMPLES.x, training=False)
    reader.set_weights([kernel, bias])
    return tf.nn.sparse_softmax_cross_entropy_with_logits(EXAMPLES.y, logits).numpy()


def test_gradients_are_those_of_a_gate_at_the_head():
    model, step = encoder(), 1e-2
    graph = channel_graph(model)
    changes = []
    for head in range(4):
        up, down = (gated_losses(model, "layer0", 1 + sign * step * (np.arange(4) == head)) for sign in (1, -1))
        changes.append((up - down) / (2 * step))
    group = next(group for group in graph.groups if group.layers == HEADS)
    gate = np.abs(changes).mean(axis=1)
    assert scores(model, graph, "gate", EXAMPLES)[group.channels] == pytest.approx(
        gate / np.linalg.norm(gate), rel=0.02
    )
    whole = Examples(EXAMPLES.x, EXAMPLES.y, batch=40)
    taylor = np.mean(changes, axis=1) ** 2
    assert scores(model, graph, "taylor", whole)[group.channels] == pytest.approx(taylor, rel=0.05, abs=1e-6)


def test_rehearsals_bracket_the_ranking_of_heads():
    model = shared(head_width=3)
    low, real, high = (
        prune(model, Ranking(0.5, "gate", "global", rehearse=side, part="heads")).model.count_params()
        for side in ("lower", None, "upper")
    )
    assert low <= real <= high


def test_shared_attention_stays_whole():
    keras = backend.keras()
    from tinyc.network.blocks import Attention

    image = keras.Input((TOKENS, 8))
    shared = Attention(2, 4, name="shared")
    query, key, value, again = (keras.layers.Dense(8, name=name)(image) for name in "qkvw")
    x = keras.layers.Add()([shared([query, key, value]), shared([query, key, again])])
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(x)))
    assert not [group for group in channel_graph(model).groups if not group.blocked]
