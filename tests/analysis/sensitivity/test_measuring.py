"""A small network is measured group by group and layer by layer, and goes on where it was stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import artifacts
from support.attention_networks import encoder, ids
from support.pruning_networks import FAMILIES, family, images, relative_error

from tinyc.analysis.sensitivity import bits, cuts, pace
from tinyc.analysis.sensitivity.measuring import Request, measure
from tinyc.analysis.sensitivity.store import Kept
from tinyc.compression.clustering.kernels import kernels
from tinyc.compression.pruning.costs import UNITS, costs
from tinyc.compression.pruning.surgery import remove_channels
from tinyc.core.errors import UserError
from tinyc.core.progress import Silent
from tinyc.network import backend
from tinyc.training.probe import Probe

REQUEST = Request("small", None, 48, 3)


class Said(Silent):
    """What was said, and how many probes were scored; stops after some, as Ctrl-C does."""

    def __init__(self, stop: int = 10**9):
        self.lines, self.probes, self.stop = list[Any](), 0, stop

    def say(self, text):
        self.lines.append(text)

    def advance(self, amount, note=""):
        self.probes += amount
        if self.probes == self.stop:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", FAMILIES)
def test_silence_is_surgery(name):
    model = family(name)
    found = cuts.channels(model)
    group = max(found.groups, key=lambda each: len(each.channels))
    keep = np.ones(found.graph.count, bool)
    keep[group.channels[np.argsort(found.ranks[group.channels], kind="stable")[: len(group.channels) // 2]]] = False
    smaller = remove_channels(model, found.graph, keep)
    before = model.get_weights()
    x = images()
    wanted = smaller(x, training=False).numpy()
    probe = Probe(model, artifacts.data(), artifacts.TASK, 3, 16)
    with probe.changed(cuts.without(model, found, group, len(group.channels) // 2)):
        got = model(x, training=False).numpy()
    assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert np.abs(model(x, training=False).numpy() - wanted).max() > 1e-3 * np.abs(wanted).max()
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


def test_silence_is_surgery_where_zero_does_not_stay_zero():
    layers = backend.keras().layers
    image = backend.keras().Input((8, 8, 2))
    x = layers.Conv2D(6, 3, activation="sigmoid", name="stem")(image)
    model = backend.keras().Model(image, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))
    found = cuts.channels(model)
    (group,) = found.groups
    keep = np.ones(found.graph.count, bool)
    keep[group.channels[np.argsort(found.ranks[group.channels], kind="stable")[:3]]] = False
    smaller = remove_channels(model, found.graph, keep)
    for name, weights in cuts.without(model, found, group, 3).items():
        model.get_layer(name).set_weights(weights)
    assert relative_error(smaller, model, images(shape=(8, 8, 2))) <= 1e-5


def test_silence_is_surgery_for_a_head_and_for_the_inner_layer():
    model = encoder(head_width=3, embedding=5)
    found = cuts.channels(model)
    for group in found.groups:
        keep = np.ones(found.graph.count, bool)
        keep[group.channels[np.argsort(found.ranks[group.channels], kind="stable")[:2]]] = False
        silent = encoder(head_width=3, embedding=5)
        silent.set_weights(model.get_weights())
        for name, weights in cuts.without(model, found, group, 2).items():
            silent.get_layer(name).set_weights(weights)
        assert relative_error(remove_channels(model, found.graph, keep), silent, ids()) <= 1e-5


def test_params_and_macs_of_a_group_are_what_surgery_takes():
    model = artifacts.network()
    found = cuts.channels(model)
    for group, (params, macs) in zip(found.groups, cuts.shares(model, found), strict=True):
        keep = np.ones(found.graph.count, bool)
        keep[group.channels[:-1]] = False
        left = remove_channels(model, found.graph, keep)
        gone = model.count_params() - left.count_params()
        assert costs(model, found.graph).saved_by(group.channels[:-1])[UNITS.index("params")] == gone < params
        # A conv reads and makes: one of n channels left keeps 1/n of it, or 1/n2 where it does both.
        assert params - gone <= params / len(group.channels)
        assert macs > 0


def test_the_probe_scores_what_surgery_leaves(tmp_path):
    net = artifacts.net()
    kept = Kept(tmp_path, "a" * 64)
    result = measure(net, artifacts.data(), REQUEST, kept, Silent())
    found = cuts.channels(net.model)
    assert [group.layers for group in result.groups] == [group.layers for group in found.groups]
    for place, group in enumerate(found.groups):
        count = cuts.removed(group, 0.5)
        keep = np.ones(found.graph.count, bool)
        keep[group.channels[np.argsort(found.ranks[group.channels], kind="stable")[:count]]] = False
        smaller = remove_channels(net.model, found.graph, keep)
        score = Probe(smaller, artifacts.data(), artifacts.TASK, 3, 48).score()
        cut = next(cut for cut in result.groups[place].cuts if cut.fraction == 0.5)
        assert cut.accuracy == pytest.approx(score.accuracy)
        assert cut.loss == pytest.approx(score.loss, rel=1e-4)
        assert cut.loss != pytest.approx(result.base.loss, rel=1e-6)


def test_a_stopped_measurement_goes_on_and_repeats_nothing(tmp_path):
    net, data = artifacts.net(), artifacts.data()
    before = net.model.get_weights()
    whole = Said()
    wanted = measure(net, data, REQUEST, Kept(tmp_path, "b" * 64), whole)
    first = Said(stop=5)
    with pytest.raises(KeyboardInterrupt):
        measure(net, data, REQUEST, Kept(tmp_path, "c" * 64), first)
    path = Kept(tmp_path, "c" * 64).path
    path.write_text(path.read_text() + '{"probe": "torn", "accu')
    second = Said()
    assert measure(net, data, REQUEST, Kept(tmp_path, "c" * 64), second) == wanted
    assert second.probes == whole.probes - 5
    assert any(f"5 of {whole.probes} probes were measured by an earlier call" in line for line in second.lines)
    third = Said()
    assert measure(net, data, REQUEST, Kept(tmp_path, "c" * 64), third) == wanted
    assert (third.probes, third.lines) == (0, [])
    assert all(np.array_equal(old, new) for old, new in zip(before, net.model.get_weights(), strict=True))


def test_the_time_is_said_first_and_slow_networks_get_fewer_examples(tmp_path, monkeypatch):
    shown = Said()
    data = replace(artifacts.data(), validation=artifacts.data().train)
    monkeypatch.setattr(pace, "LIMIT_SECONDS", 1e-9)
    result = measure(artifacts.net(), data, Request("small", None, 512, 3), Kept(tmp_path, "d" * 64), shown)
    assert shown.lines[0].startswith("about ")
    assert "on 64 validation examples" in shown.lines[0]
    assert "512 examples would take" in shown.lines[1]
    assert result.examples == 64


def test_pace_counts_whole_batches():
    own = pace.Pace(lambda x: [], batch_seconds=0.25)
    assert own.seconds(400, 512) == 400 * 8 * 0.25
    assert own.affordable(400, 512) == 6 * 64
    assert own.affordable(100_000, 512) == 64
    assert own.affordable(10, 48) == 48


def test_bits_score_what_is_rounded_and_eight_cost_least():
    net, data = artifacts.net(), artifacts.data()
    before = net.model.get_weights()
    probe = Probe(net.model, data, artifacts.TASK, 3, 60)
    base = probe.score()
    tried = [(name, width) for name in bits.layers(net.model) for width in (8, 2)]
    losses = {each: probe.with_weights({each[0]: bits.rounded_layer(net.model, *each)}).loss for each in tried}
    names = [layer.name for layer in net.model.layers if hasattr(layer, "kernel")]
    assert tried == [(name, width) for name in names for width in (8, 2)]
    change = {
        width: np.mean([abs(loss - base.loss) for (_, own), loss in losses.items() if own == width]) for width in (8, 2)
    }
    assert 0 < change[8] < change[2] / 10
    assert all(np.array_equal(old, new) for old, new in zip(before, net.model.get_weights(), strict=True))


@pytest.mark.parametrize("family", ["mobile", "decoder", "flattened"])
def test_each_output_channel_is_rounded_alone(family):
    model = FAMILIES[family]()
    for kernel in kernels(model):
        weight = kernel.read(model)

        def by_channel(value, axes=kernel.axis):
            kept = [axis % value.ndim for axis in axes]
            moved = np.moveaxis(value, kept, range(len(kept)))
            return moved.reshape(int(np.prod(moved.shape[: len(kept)])), -1)

        assert max(len(np.unique(row)) for row in by_channel(bits.round_weight(weight, 3, kernel.axis))) <= 7
        step = np.abs(by_channel(weight)).max(axis=1) / 127
        error = np.abs(by_channel(bits.round_weight(weight, 8, kernel.axis) - weight)).max(axis=1)
        assert (error <= step / 2 + 1e-7).all()


def test_weights_that_are_not_rounded_are_named():
    model = encoder()
    positions = [layer.name for layer in model.layers if type(layer).__name__ == "PositionEmbedding"]
    assert [skip.layer for skip in bits.left_out(model)] == positions
    assert {*bits.layers(model)} >= {"layer0_query", "layer1_inner"}


def test_rounding_gives_a_zero_channel_back():
    weight = np.zeros((3, 2), np.float32)
    assert np.array_equal(bits.round_weight(weight, 4, (-1,)), weight)


def test_a_loss_that_is_no_number_is_refused(tmp_path):
    net = artifacts.net()
    net.model.layers[-1].set_weights([np.full_like(each, np.nan) for each in net.model.layers[-1].get_weights()])
    with pytest.raises(UserError, match="the loss is nan"):
        measure(net, artifacts.data(), REQUEST, Kept(tmp_path, "e" * 64), Silent())
