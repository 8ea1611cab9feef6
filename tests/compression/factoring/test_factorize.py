"""The pass `factorize`: the same outputs at full energy, numpy's truncated SVD below, and an int8 form."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError
from support import artifacts, texts

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.state import Net
from tinyc.quantization.convert import to_int8_tflite
from tinyc.run.plan import ranked
from tinyc.spec.passes import apply
from tinyc.spec.passes.factorize import Factorize
from tinyc.tflite.read.flatbuffer import describe


def factorize(folder, state=None, rehearse=None, **keys):
    given = state or texts.net()
    lent = (texts if given.task.tokenizer else artifacts).context(folder, source=given, rehearse=rehearse)
    return given, apply(Factorize(**{"epochs": 0, **keys}), given, lent)


def ids():
    return texts.tokenizer().encode(texts.SENTENCES)


def truncated(matrix, rank):
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    return (left[:, :rank] * values[:rank]) @ right[:rank]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"rank": 2, "energy": 0.5},
        {"rank": 0},
        {"energy": 1.0},
        {"params": 0.0},
        {"rank": 2, "teach": {}, "loss": "labels"},
    ],
)
def test_bad_keys_are_refused(keys):
    with pytest.raises(ValidationError):
        Factorize(**keys)


def test_a_matrix_of_low_rank_keeps_its_outputs(tmp_path):
    """Everything that has energy stays, so the network computes what it did."""
    state = texts.net()
    for layer in (each for each in state.model.layers if each.name.startswith(("layer0_", "tokens"))):
        if layer.weights and len(layer.get_weights()[0].shape) == 2:
            layer.set_weights([truncated(layer.get_weights()[0], 3), *layer.get_weights()[1:]])
    before = state.model(ids()).numpy()
    _, outcome = factorize(tmp_path, state, energy=0.999999)
    assert {row["rank"] for row in outcome.facts["layers"]} == {3}
    np.testing.assert_allclose(outcome.state.model(ids()).numpy(), before, atol=1e-4)
    assert outcome.facts["params_after"] == outcome.state.model.count_params() < outcome.facts["params_before"]


def test_weights_are_numpys_truncated_svd(tmp_path):
    state, outcome = factorize(tmp_path, rank=4)
    model = outcome.state.model
    for name in ("layer0_query", "layer0_inner", "layer0_outer"):
        old, (down,), (up, bias) = (
            part.get_weights() for part in (state.model.get_layer(name), model.get_layer(f"{name}_down"),
                                            model.get_layer(name))
        )  # fmt: skip
        np.testing.assert_allclose(down @ up, truncated(old[0], 4), atol=1e-5)
        assert np.array_equal(bias, old[1])
    row = next(row for row in outcome.facts["layers"] if row["layer"] == "layer0_inner")
    old = state.model.get_layer("layer0_inner").get_weights()[0]
    lost = np.linalg.norm(old - truncated(old, 4)) / np.linalg.norm(old)
    assert row["relative_error"] == pytest.approx(lost, abs=1e-5)
    assert row["energy"] == pytest.approx(1 - lost**2, abs=1e-5)
    assert (row["shape"], row["rank"], row["params_before"], row["params_after"]) == ("16x32", 4, 512, 192)
    assert [(each.layer, "saves only up to rank 1" in each.why) for each in outcome.skipped] == [("logits", True)]


def test_a_table_keeps_its_name_and_a_dense_follows(tmp_path):
    state, outcome = factorize(tmp_path, rank=4, only=["type:TokenEmbedding"])
    table, up = (outcome.state.model.get_layer(name) for name in ("tokens", "tokens_up"))
    assert (type(table).__name__, table.width, up.use_bias) == ("TokenEmbedding", 4, False)
    wanted = truncated(state.model.get_layer("tokens").get_weights()[0], 4)
    np.testing.assert_allclose(table.get_weights()[0] @ up.get_weights()[0], wanted, atol=1e-5)
    again = factorize(tmp_path, outcome.state, rank=2, only=["tokens"])[1].state.model
    assert {"tokens", "tokens_up", "tokens_up_2"} <= {layer.name for layer in again.layers}


def test_resnets_strided_shortcut_and_what_stands_around_it(tmp_path):
    state = artifacts.net()
    kernel, bias = state.model.get_layer("stage3_shortcut").get_weights()
    state.model.get_layer("stage3_shortcut").set_weights([truncated(kernel[0, 0], 2)[None, None], bias])
    images = artifacts.samples(4)
    before = state.model(images).numpy()
    _, outcome = factorize(tmp_path, state, rank=2, only=["type:Conv2D"], skip=["stage2_shortcut"])
    model = outcome.state.model
    np.testing.assert_allclose(model(images).numpy(), before, atol=1e-4)
    first, last = (model.get_layer(name) for name in ("stage3_shortcut_down", "stage3_shortcut"))
    assert (first.strides, first.filters, first.use_bias, last.strides) == ((2, 2), 2, False, (1, 1))
    assert {each.layer for each in outcome.skipped} >= {"stem_conv"}
    assert "3x3" in next(each.why for each in outcome.skipped if each.layer == "stem_conv")
    assert [row["layer"] for row in outcome.facts["layers"]] == ["stage3_shortcut"]
    for layer in state.model.layers:
        if layer.name != "stage3_shortcut":
            kept = model.get_layer(layer.name).get_weights()
            assert all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), kept, strict=True))


def test_normalization_behind_a_convolution_stays(tmp_path):
    layers = backend.keras().layers
    image = backend.keras().Input((14, 14, 1))
    x = layers.Conv2D(12, 1, use_bias=False, name="point")(layers.Conv2D(8, 3, name="wide")(image))
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Dense(10, name="logits")(layers.GlobalAveragePooling2D()(x))
    model = factorize(tmp_path, Net(backend.keras().Model(image, x), artifacts.TASK), rank=3)[1].state.model
    (node,) = model.get_layer("norm")._inbound_nodes[-1:]
    assert node.inbound_layers.name == "point"


def test_a_layer_used_twice_is_left_alone_and_said(tmp_path):
    layers = backend.keras().layers
    image = backend.keras().Input((14, 14, 1))
    shared = layers.Dense(16, name="shared")
    x = layers.Dense(16, name="enter")(layers.Flatten()(image))
    x = layers.Dense(10, name="logits")(shared(shared(x)))
    state = Net(backend.keras().Model(image, x), artifacts.TASK)
    _, outcome = factorize(tmp_path, state, rank=2)
    assert [(each.layer, each.why) for each in outcome.skipped] == [("shared", "it is called more than once")]
    with pytest.raises(UserError, match="called more than once"):
        factorize(tmp_path, state, rank=2, only=["shared"])


def test_params_is_a_bound_that_is_used_up(tmp_path):
    state, outcome = factorize(tmp_path, params=0.4)
    tables = [each for each in state.model.layers if type(each).__name__ in ("Dense", "TokenEmbedding")]
    sizes = {each.name: each.get_weights()[0].size for each in tables}
    saved = sum(row["params_before"] - row["params_after"] for row in outcome.facts["layers"])
    left = sum(sizes.values()) - saved
    dearest = max(sum(each.get_weights()[0].shape) for each in tables)
    assert 0.4 * sum(sizes.values()) - dearest < left <= 0.4 * sum(sizes.values())
    assert outcome.facts["params_before"] - outcome.facts["params_after"] == saved
    with pytest.raises(UserError, match="rank 1 alone takes"):
        factorize(tmp_path, params=0.01)


@pytest.mark.parametrize("keys", [{"energy": 0.6}, {"params": 0.4}, {"params": 0.75}])
def test_the_result_lies_between_its_rehearsals(tmp_path, keys):
    ends = [factorize(tmp_path, rehearse=end, **keys)[1].facts["params_after"] for end in ("lower", None, "upper")]
    assert ends == sorted(ends)
    assert ends[0] < ends[2]


def test_plan_knows_that_weights_decide_the_ranks():
    def bench(**keys):
        return SimpleNamespace(recipe=SimpleNamespace(steps=[SimpleNamespace(transform=Factorize(**keys))]))

    assert [ranked(bench(**keys)) for keys in ({"rank": 4}, {"energy": 0.5}, {"params": 0.5})] == [False, True, True]


def test_fine_tuning_trains_the_factors(tmp_path):
    state = artifacts.net()
    before = [weight.copy() for weight in state.model.get_weights()]
    _, still = factorize(tmp_path / "a", state, rank=2)
    _, tuned = factorize(tmp_path / "b", state, rank=2, epochs=1, batch=50)
    assert tuned.facts["fine_tune"]["epochs"] == 1
    down = [each.state.model.get_layer("stage2_shortcut_down").get_weights()[0] for each in (still, tuned)]
    assert not np.array_equal(*down)
    assert all(np.array_equal(old, new) for old, new in zip(before, state.model.get_weights(), strict=True))


def test_a_factorized_bert_lowers_to_int8(tmp_path):
    _, outcome = factorize(tmp_path, rank=4)
    assert describe(to_int8_tflite(outcome.state.model, ids(), False)).params > 0
