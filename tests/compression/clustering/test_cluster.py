"""The pass `cluster`: its keys, its facts, bits by measurement, and tables that reach the int8 file."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from support import artifacts
from support import networks_of_tables as networks

from tinyc.compression.clustering.apply import NOTE
from tinyc.compression.clustering.check import few_valued_after, int8_values
from tinyc.compression.clustering.keep import tables
from tinyc.compression.clustering.kernels import kernels
from tinyc.compression.clustering.kmeans import share
from tinyc.compression.clustering.tables import distinct
from tinyc.core.errors import TinycError, UserError
from tinyc.network.state import Net
from tinyc.spec.passes import apply
from tinyc.spec.passes.cluster import Cluster
from tinyc.spec.passes.compact import Compact
from tinyc.spec.passes.prune import Prune
from tinyc.spec.passes.quantize import Quantize
from tinyc.tflite.read.counterparts import WEIGHTS, heavy, held, unpack
from tinyc.tflite.write.tables import gains

NAMES = ["conv", "depthwise", "second", "hidden", "logits"]
ONE = {"epochs": 1, "batch": 50}
BAD_KEYS = [
    ({}, "give `clusters`, e.g. clusters = 16"),
    ({"clusters": 1}, "greater than or equal to 2"),
    ({"clusters": 129}, "less than or equal to 128"),
    ({"clusters": 8, "budget": "4 KiB"}, '`budget` belongs to bits = "auto"'),
    ({"clusters": 8, "drop": 0.01}, '`drop` belongs to bits = "auto"'),
    ({"clusters": 8, "bits": "auto", "drop": 0.01}, "remove `clusters`"),
    ({"bits": "auto"}, "needs one of `budget` and `drop`; given: none"),
    ({"bits": "auto", "budget": "4 KiB", "drop": 0.1}, "given: budget, drop"),
    ({"bits": "auto", "budget": "4 miles"}, "unknown unit 'miles'"),
    ({"bits": "auto", "budget": "0 B"}, "leaves no byte"),
    ({"bits": "auto", "drop": 0.1, "only": [{"match": "a", "clusters": 4}]}, "no `clusters` of its own"),
    ({"clusters": 8, "teach": {}, "loss": "labels"}, "`teach` does not go with"),
    ({"clusters": 8, "start": "random"}, "'kmeans\\+\\+', 'density' or 'linear'"),
]


@pytest.mark.parametrize(("keys", "message"), BAD_KEYS)
def test_bad_keys_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        Cluster(use="cluster", **keys)


def net():
    return Net(networks.mixed(), artifacts.TASK)


def test_each_layer_gets_its_values_and_the_facts_say_so(tmp_path):
    state = net()
    before = [weight.copy() for weight in state.model.get_weights()]
    only = ["*", {"match": "re:conv|second", "clusters": 5}, {"match": "hidden", "clusters": 16}]
    cluster = Cluster(clusters=4, only=only, skip=["logits"], start="density", **ONE)
    outcome = apply(cluster, state, artifacts.context(tmp_path, state))
    assert Cluster(**cluster.model_dump()) == cluster
    rows = {row["layer"]: row for row in outcome.facts["layers"]}
    wanted = {"second": 5, "hidden": 16}
    assert {name: row["clusters"] for name, row in rows.items()} == wanted
    for kernel in kernels(outcome.state.model):
        values = distinct(kernel.read(outcome.state.model), kernel.axis)
        if kernel.layer in wanted:
            assert values.max() == rows[kernel.layer]["values_after"] == wanted[kernel.layer]
            assert rows[kernel.layer]["table_bytes"] < rows[kernel.layer]["dense_bytes"]
            assert rows[kernel.layer]["mean_squared_error"] > 0
        else:
            assert values.min() > 16 or kernel.layer == "conv"
    assert rows["second"]["dense_bytes"] == 3 * 3 * 8 * 16
    assert rows["second"]["table_bytes"] == 3 * 3 * 8 * 16 * 3 // 8 + 16 * 5 + 200
    assert outcome.facts["table_bytes"] == sum(row["table_bytes"] for row in rows.values())
    assert outcome.facts["notes"] == [NOTE]
    assert outcome.facts["fine_tune"]["epochs"] == 1
    skipped = {each.layer: each.why for each in outcome.skipped}
    assert list(skipped) == ["conv", "depthwise"]
    assert skipped["depthwise"].startswith("depthwise_kernel: 8 tables of 4 values would take 282 bytes")
    assert all(np.array_equal(old, new) for old, new in zip(before, state.model.get_weights(), strict=True))


def test_the_source_teaches(tmp_path):
    state = net()
    cluster = Cluster(clusters=8, teach={"views": 1}, **ONE)
    tuned = apply(cluster, state, artifacts.context(tmp_path, state)).facts["fine_tune"]
    assert (tuned["objective"], tuned["teachers"]) == ("distillation", ["source"])


def test_selectors_that_leave_nothing_are_refused(tmp_path):
    state = net()
    lent = artifacts.context(tmp_path, state)
    with pytest.raises(UserError, match="no selected layer has weights for a table"):
        apply(Cluster(clusters=4, only=["conv_bn"]), state, lent)
    with pytest.raises(UserError, match="no selected layer would be smaller as a table; depthwise"):
        apply(Cluster(clusters=16, only=["depthwise"]), state, lent)
    with pytest.raises(UserError, match=r"cluster.only: 'thrid' matches no layer"):
        apply(Cluster(clusters=16, only=["thrid"]), state, lent)


def test_bits_by_measurement(tmp_path):
    state = net()
    lent = artifacts.context(tmp_path, state)
    dense = 3 * 3 * 8 * 16 + 16 * 16 * 24
    outcome = apply(Cluster(bits="auto", budget="3000 B", epochs=0), state, lent)
    found = outcome.facts["search"]
    assert found["bytes"] <= 3000
    assert found["split"] == "validation"
    assert found["examples"] == 60
    assert {row["layer"] for row in found["tried"]} == {"second", "hidden"}
    assert outcome.facts["table_bytes"] <= 3000 < dense
    assert tables(outcome.state.model).keys() >= {row["layer"] for row in outcome.facts["layers"]}
    with pytest.raises(UserError, match=r"cluster: budget: 1\.0 KiB is too little"):
        apply(Cluster(bits="auto", budget="1 KiB", epochs=0), state, lent)

    loose = apply(Cluster(bits="auto", drop=0.9, epochs=0), state, lent).facts["search"]
    tight = apply(Cluster(bits="auto", drop=0.001, epochs=0), state, lent).facts["search"]
    least = sum(min(row["bytes"] for row in found["tried"] if row["layer"] == name) for name in ("second", "hidden"))
    assert loose["bytes"] == least <= tight["bytes"]
    assert tight["accuracy_shared"] >= tight["accuracy_before"] - 0.001


@pytest.mark.parametrize("keys", [{"clusters": 8}, {"bits": "auto", "budget": "3000 B"}, {"bits": "auto", "drop": 0.1}])
def test_rehearsal_trains_and_measures_nothing(tmp_path, keys):
    state = net()
    sizes = []
    for side in ("lower", "upper"):
        lent = artifacts.context(tmp_path, state, side)
        outcome = apply(Cluster(epochs=50, **keys), state, lent)
        assert "search" not in outcome.facts
        assert not outcome.facts["fine_tune"]["epochs"]
        sizes.append(sum(row["table_bytes"] for row in outcome.facts["layers"]))
    assert (sizes[0] == sizes[1]) == ("clusters" in keys)


def test_zeros_come_first_and_stay(tmp_path):
    state = net()
    lent = artifacts.context(tmp_path, state)
    sparse = apply(Prune(how="magnitude", sparsity=0.6, only=["second", "hidden"], **ONE), state, lent).state
    shared = apply(Cluster(clusters=8, only=["second", "hidden"], **ONE), sparse, lent).state
    for name in ("second", "hidden"):
        old, new = (each.model.get_layer(name).get_weights()[0] for each in (sparse, shared))
        assert np.array_equal(old == 0, new == 0)
        assert distinct(new, -1).max() == 8
    with pytest.raises(UserError, match="layer 'second' has a weight table of an earlier `cluster`"):
        apply(Prune(how="magnitude", sparsity=0.8, **ONE), shared, lent)
    again = apply(Prune(how="magnitude", sparsity=0.7, only=["logits"], **ONE), shared, lent).state.model
    kept, held = (each.get_layer("second").get_weights()[0] for each in (again, shared.model))
    assert np.array_equal(kept == 0, held == 0)
    assert distinct(kept, -1).max() == 8


def test_tables_outlive_the_channels_of_others(tmp_path):
    state = net()
    lent = artifacts.context(tmp_path, state)
    shared = apply(Cluster(clusters=8, only=["second", "hidden"], **ONE), state, lent).state
    cut = apply(Prune(how="channels", fraction=0.25, only=["conv", "second"], **ONE), shared, lent).state.model
    assert cut.get_layer("second").get_weights()[0].shape == (3, 3, 6, 12)
    for name in ("second", "hidden"):
        kernel = cut.get_layer(name).get_weights()[0]
        assert distinct(kernel, -1).max() <= 8
    assert not np.array_equal(
        cut.get_layer("hidden").get_weights()[1], shared.model.get_layer("hidden").get_weights()[1]
    )


@pytest.mark.parametrize("how", ["ptq", "qat"])
@pytest.mark.parametrize("sparsity", [0.0, 0.5])
def test_tables_and_zeros_reach_the_int8_file(tmp_path, how, sparsity):
    model = networks.clustered(networks.mixed(), 4, sparsity)
    expected = tables(model)
    assert expected == dict.fromkeys(NAMES, 4)
    state = Net(model, artifacts.TASK)
    keys = ONE if how == "qat" else {}
    outcome = apply(Quantize(use="quantize", how=how, **keys), state, artifacts.context(tmp_path, state))
    found = few_valued_after(outcome.state.content, expected)
    assert list(found) == ["tables"]
    assert list(found["tables"]) == NAMES
    assert max(found["tables"].values()) <= 4
    zeros = [outcome.facts[f"zero_weights_{when}"] for when in ("before", "after")]
    assert zeros[1] >= zeros[0] >= sparsity - 0.01


@pytest.mark.parametrize("how", ["ptq", "qat"])
def test_a_dense_layer_has_a_table_that_tflm_can_hold(tmp_path, how):
    """It has one scale, trained or not, and TFLM divides tables as scales."""
    state = net()
    context = artifacts.context(tmp_path, state)
    shared = apply(Cluster(clusters=4, only=["hidden"], **ONE), state, context).state
    keys = ONE if how == "qat" else {}
    flat = apply(Quantize(use="quantize", how=how, **keys), shared, context).state
    hidden = max((gain for gain in gains(flat.content) if gain.layer == "hidden"), key=lambda gain: gain.bytes_before)
    assert (hidden.values, hidden.bits, hidden.per_channel) == (4, 2, False)
    made = {row["layer"]: row for row in apply(Compact(use="compact"), flat, context).facts["tensors"]}
    assert (made["hidden"]["values"], made["hidden"]["table_per"]) == (4, "tensor")


def test_tables_by_channel_are_not_lost_in_silence(tmp_path):
    """A Dense layer that came with values for each output keeps them, and one scale leaves them one table."""
    model = networks.mixed()
    kernel, bias = model.get_layer("hidden").get_weights()
    by_output = share(kernel, 4, per="channel", axis=(-1,), start="density", seed=1, keep_zeros=False)
    model.get_layer("hidden").set_weights([by_output, bias])
    state = Net(model, artifacts.TASK)
    assert tables(model) == {"hidden": 4}
    joined = apply(Quantize(use="quantize"), state, artifacts.context(tmp_path, state))
    weights = next(work for work in heavy(unpack(joined.state.content)) if work.layer == "hidden")
    values = len(np.unique(held(weights.model, weights.tensor(WEIGHTS))))
    assert joined.facts["tables"] == {"hidden": 4}
    assert joined.facts["tables_joined"] == {"hidden": values}
    assert values > 4
    assert joined.facts["notes"][0].startswith(
        f"hidden: its tables of 4 values for each channel become one of {values}"
    )
    apart = apply(Quantize(use="quantize", per_channel_dense=True), state, artifacts.context(tmp_path, state))
    assert "tables_joined" not in apart.facts
    gain = max(
        (each for each in gains(apart.state.content) if each.layer == "hidden"), key=lambda each: each.bytes_before
    )
    assert (gain.values, gain.per_channel) == (4, True)


def test_lost_tables_are_an_error():
    content = artifacts.content()
    names = dict(int8_values(content))
    assert names["stage1_a_conv"] > 20
    assert few_valued_after(content, {}) == {}
    assert few_valued_after(content, {"stage1_a_conv": 128, "gone": 4}) == {
        "tables": {"stage1_a_conv": names["stage1_a_conv"]},
        "tables_unseen": ["gone"],
    }
    with pytest.raises(TinycError, match=r"layer 'stage1_a_conv': has [0-9]+ int8 values in a channel"):
        few_valued_after(content, {"stage1_a_conv": 4})
