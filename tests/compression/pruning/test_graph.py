"""Which channels go together, and what stays whole, with the reason."""

from typing import Any

import pytest
from support.pruning_networks import CLASSES, FAMILIES, SHAPE, choose, images, randomized, relative_error, zeroed

from tinyc.compression.pruning.graph import channel_graph
from tinyc.compression.pruning.layer_amounts import resolve_amounts
from tinyc.compression.pruning.structured import Ranking, channels
from tinyc.compression.pruning.surgery import remove_channels
from tinyc.core.errors import UserError
from tinyc.network import backend


def open_groups(model):
    return {group.layers: len(group.channels) for group in channel_graph(model).groups if not group.blocked}


def test_residual_layers_are_one_group():
    groups = open_groups(FAMILIES["resnet8"]())
    assert {tuple(sorted(names)): count for names, count in groups.items()} == {
        ("stage1_b_conv", "stem_conv"): 16,
        ("stage1_a_conv",): 16,
        ("stage2_a_conv",): 32,
        ("stage2_b_conv", "stage2_shortcut"): 32,
        ("stage3_a_conv",): 64,
        ("stage3_b_conv", "stage3_shortcut"): 64,
    }


def test_dense_units_behind_a_reshape_go_together():
    assert open_groups(FAMILIES["decoder"]())[("spread",)] == 5


def head(layers, x):
    return layers.Dense(CLASSES, name="logits")(layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, name="after")(x)))


def strange_layer(keras: Any) -> Any:
    class Mix(keras.layers.Layer):
        """Mixes channels, with weights of its own."""

        def build(self, shape):
            self.mix = self.add_weight(name="mix", shape=(shape[-1], shape[-1]))

        def call(self, inputs):
            return inputs @ self.mix

    return Mix(name="culprit")


def shared_convolution(keras):
    convolution = keras.layers.Conv2D(8, 1, name="culprit")
    return lambda x: convolution(convolution(x))


OBSTACLES = {
    "unknown": (strange_layer, "no rule says how Mix treats channels"),
    "lambda": (lambda keras: keras.layers.Lambda(lambda x: x[..., ::-1], name="culprit"), "no rule says how Lambda"),
    "shared": (shared_convolution, "called more than once"),
    "softmax": (lambda keras: keras.layers.Softmax(name="culprit"), "no rule says how Softmax"),
    "softmax activation": (lambda keras: keras.layers.Activation("softmax", name="culprit"), "may mix channels"),
    "layer norm": (lambda keras: keras.layers.LayerNormalization(name="culprit"), "LayerNormalization"),
    "norm of rows": (lambda keras: keras.layers.BatchNormalization(axis=1, name="culprit"), "not the last"),
    "permute": (lambda keras: keras.layers.Permute((1, 3, 2), name="culprit"), "moves the channel axis"),
    "nested": (
        lambda keras: keras.Sequential([keras.layers.Conv2D(8, 1, input_shape=(8, 8, 8))], name="culprit"),
        "Sequential",
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_no_rule_vouches_for_stays_whole(obstacle):
    make, why = OBSTACLES[obstacle]
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE, name="image")
    free = layers.Conv2D(8, 3, padding="same", name="free")(image)
    tied = layers.Conv2D(8, 3, padding="same", name="tied")(layers.ReLU()(free))
    model = randomized(keras.Model(image, head(layers, make(keras)(tied))))

    amounts = resolve_amounts(model, 0.5, [], [], "prune")
    choice = choose(model, Ranking(0.5), amounts, "prune")
    smaller = remove_channels(model, choice.graph, choice.keep)
    assert smaller.get_layer("free").filters == 4
    assert smaller.get_layer("tied").filters == 8
    assert smaller.get_layer("after").filters == 3
    reasons = {each.layer: each.why for each in choice.skipped}
    assert "culprit" in reasons["tied"]
    assert why in reasons["tied"]
    assert relative_error(smaller, zeroed(model, choice.graph, choice.keep), images()) <= 1e-5


def test_activation_of_the_users_own_stays_whole():
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, activation=lambda x: x / (1 + abs(x)), name="own")(image)
    model = keras.Model(image, head(layers, x))
    assert ("own",) not in open_groups(model)
    assert ("after",) in open_groups(model)


def test_every_output_stays_whole():
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, name="seen")(image)
    model = keras.Model(image, [layers.ReLU()(x), head(layers, x)])
    assert open_groups(model) == {("after",): 6}


def test_residual_on_the_input_stays_whole():
    keras = backend.keras()
    layers = keras.layers
    image = keras.Input(SHAPE, name="image")
    x = layers.Add()([image, layers.Conv2D(3, 3, padding="same", name="tied")(image)])
    model = keras.Model(image, head(layers, x))
    pruned = channels(model, Ranking(0.5), resolve_amounts(model, 0.5, [], [], "prune"), "prune")
    reasons = {each.layer: each.why for each in pruned.skipped}
    assert reasons["tied"] == "its channels are tied to layer 'image': it is the network's input"


def test_nothing_to_cut_is_an_error():
    keras = backend.keras()
    image = keras.Input(SHAPE, name="image")
    x = keras.layers.Dense(CLASSES, name="logits")(keras.layers.Flatten()(image))
    model = keras.Model(image, x)
    with pytest.raises(UserError, match=r"no channels can be cut \(logits: it gives the network's output\)"):
        channels(model, Ranking(0.5), resolve_amounts(model, 0.5, [], [], "prune"), "prune")


def test_subclassed_network_is_refused():
    keras: Any = backend.keras()

    class Own(keras.Model):
        """Computes in call()."""

        def call(self, inputs):
            return inputs

    with pytest.raises(UserError, match="pruning needs a functional network; Own"):
        channel_graph(Own())
