"""The pass `prune`: its keys, its facts, and a pruned network that still lowers to int8."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support import attention_networks, contexts, datasets

from tinyc.core.errors import UserError
from tinyc.core.progress import Silent
from tinyc.data.task import Task
from tinyc.data.tokens import Tokenizer, from_vocabulary
from tinyc.network import backend
from tinyc.network.state import Net
from tinyc.spec.passes import apply
from tinyc.spec.passes.prune import Prune

TASK = datasets.CLOTHES


def network(width=8):
    keras = backend.keras()
    layers = keras.layers
    backend.seed_everything(1)
    image = keras.Input((28, 28, 1), name="image")
    x = layers.Conv2D(width, 3, 2, use_bias=False, name="stem")(image)
    x = layers.ReLU()(layers.BatchNormalization(name="stem_bn")(x))
    y = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same", use_bias=False, name="body")(x))
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Conv2D(2 * width, 3, 2, activation="relu", name="top")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return Net(keras.Model(image, layers.Dense(10, name="logits")(x), name="small"), TASK)


def data(count=256):
    held = slice(count, count + 32)
    return datasets.training(TASK, datasets.clothes(count + 32), slice(count), held, held)


def context(folder, source, rehearse=None):
    return contexts.context(folder, data(), source, rehearse)


BAD_KEYS = [
    ({"how": "channels"}, 'how = "channels" needs `fraction`'),
    ({"how": "heads"}, 'how = "heads" needs `fraction`'),
    ({"how": "magnitude"}, 'how = "magnitude" needs `sparsity`'),
    ({"how": "channels", "fraction": 0.3, "sparsity": 0.5}, '`sparsity` belongs to how = "magnitude"'),
    ({"how": "channels", "fraction": 0.3, "pattern": "2:4"}, '`pattern` belongs to how = "magnitude"'),
    ({"how": "magnitude", "sparsity": 0.3, "fraction": 0.5}, '`fraction` belongs to how = "channels"'),
    ({"how": "magnitude", "sparsity": 0.3, "scope": "global"}, '`scope` belongs to how = "channels"'),
    ({"how": "magnitude", "sparsity": 0.3, "pattern": "2:4"}, "fixes the sparsity at 0.5"),
    ({"how": "channels", "fraction": 0.0}, "greater than 0"),
    ({"how": "channels", "fraction": 1.0}, "less than 1"),
    ({"how": "channels", "fraction": 0.5, "round_to": 0}, "greater than or equal to 1"),
    ({"how": "channels", "fraction": 0.5, "importance": "l3"}, "'l1', 'l2', 'bn_scale', 'taylor' or 'gate'"),
    ({"how": "channels", "fraction": 0.5, "portion": 1}, "Extra inputs are not permitted"),
    ({"how": "filters", "fraction": 0.5}, "'channels', 'heads' or 'magnitude'"),
    ({"how": "channels", "fraction": 0.5, "only": [{"match": "a", "sparsity": 0.5}]}, "`sparsity` does not go with"),
    ({"how": "channels", "fraction": 0.5, "budget": {"params": "9 %"}}, "give one of `fraction`, `budget`"),
    ({"how": "channels", "budget": {"params": "9 KiB"}}, "unknown unit"),
    ({"how": "channels", "budget": {"params": "9 %"}, "scope": "global"}, 'scope = "global" goes with `fraction`'),
    ({"how": "channels", "sensitivity": "a.json"}, "`sensitivity` and `drop` go together"),
    ({"how": "channels", "fraction": 0.5, "drop": 0.1}, "`sensitivity` and `drop` go together"),
    ({"how": "channels", "fraction": 0.5, "per": "mac"}, "`per` ranks all layers together"),
    ({"how": "channels", "fraction": 0.5, "rounds": 5}, "5 rounds need at least 5 epochs"),
    ({"how": "magnitude", "sparsity": 0.5, "rounds": 2}, '`rounds` belongs to how = "channels"'),
    ({"how": "channels", "fraction": 0.5, "teach": {}, "loss": "labels"}, "`teach` does not go with"),
    ({"how": "channels", "fraction": 0.5, "teach": {"views": 0}}, "greater than or equal to 1"),
    (
        {"how": "channels", "budget": {"macs": "1 k"}, "only": [{"match": "a", "fraction": 0.5}]},
        "no `fraction` of its own under `budget`",
    ),
    (
        {"how": "channels", "fraction": 0.5, "scope": "global", "only": [{"match": "a", "fraction": 0.5}]},
        'no `fraction` of its own under scope = "global"',
    ),
]


@pytest.mark.parametrize(("keys", "message"), BAD_KEYS)
def test_bad_keys_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message.replace("(", r"\(")):
        Prune(use="prune", **keys)


def test_resolved_keys_are_accepted_again():
    for keys in ({"how": "channels", "fraction": 0.3}, {"how": "magnitude", "pattern": "2:4"}):
        prune = Prune(use="prune", **keys)
        assert Prune(**prune.model_dump()) == prune


@pytest.mark.parametrize("importance", ["l1", "taylor"])
def test_channels_then_fine_tuning(tmp_path, importance):
    state = network()
    before = [weight.copy() for weight in state.model.get_weights()]
    prune = Prune(use="prune", how="channels", fraction=0.5, importance=importance, epochs=1, batch=32)
    outcomes = [apply(prune, state, context(tmp_path / str(run), state)) for run in range(2)]
    model, facts = outcomes[0].state.model, outcomes[0].facts
    assert [model.get_layer(name).filters for name in ("stem", "body", "top")] == [4, 4, 8]
    assert facts["groups"] == [
        {"layers": ["stem", "body"], "channels_before": 8, "channels_after": 4},
        {"layers": ["top"], "channels_before": 16, "channels_after": 8},
    ]
    assert facts["params_after"] == model.count_params() < facts["params_before"] == state.model.count_params()
    assert facts["fine_tune"]["epochs"] == 1
    assert [(each.layer, each.why) for each in outcomes[0].skipped] == [("logits", "it gives the network's output")]
    assert all(np.array_equal(old, new) for old, new in zip(before, state.model.get_weights(), strict=True))
    both = zip(*(outcome.state.model.get_weights() for outcome in outcomes), strict=True)
    assert all(np.array_equal(first, second) for first, second in both)


def test_rounds_to_a_budget_taught_by_the_source(tmp_path):
    state = network()
    prune = Prune(
        use="prune", how="channels", budget={"params": "60 %"}, rounds=2, epochs=3, batch=64,
        teach={"views": 2}, only=[{"match": "*"}, {"match": "top", "keep_least": 0.75}],
    )  # fmt: skip
    assert Prune(**prune.model_dump()) == prune
    assert prune.effects.ranked
    outcomes = [apply(prune, state, context(tmp_path / str(run), state)) for run in range(2)]
    facts = outcomes[0].facts
    assert facts["params_after"] <= 0.6 * facts["params_before"]
    assert facts["macs_after"] < facts["macs_before"]
    assert (facts["budget"], facts["importance"]) == ({"params": "60 %"}, "taylor")
    assert [each["fine_tune"]["epochs"] for each in facts["rounds"]] == [1, 2]
    assert facts["rounds"][0]["params"] > facts["rounds"][1]["params"] == facts["params_after"]
    assert facts["fine_tune"]["objective"] == "distillation"
    assert facts["fine_tune"]["teachers"] == ["source"]
    assert facts["fine_tune"]["store"]["views"] == 1  # without augmentation all views are the same
    assert outcomes[0].state.model.get_layer("top").filters >= 12
    both = zip(*(outcome.state.model.get_weights() for outcome in outcomes), strict=True)
    assert all(np.array_equal(first, second) for first, second in both)
    for side in ("lower", "upper"):
        rehearsed = apply(prune, state, context(tmp_path, state, side)).facts
        assert rehearsed["params_after"] == pytest.approx(facts["params_after"], rel=0.1)


class Killed(Silent):
    """Stops after so many examples of training, like a killed run; counts them, and not those of a checkpoint."""

    BATCH = 64

    def __init__(self, after=10**9):
        self.done, self.after = 0, after

    def advance(self, amount, note=""):
        self.done += amount if amount == self.BATCH else 0
        if self.done >= self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("killed", "left"), [(256 + 64, 768 - 256), (512 + 64, 768 - 512)])
def test_a_kill_in_a_later_round_repeats_no_finished_epoch(tmp_path, killed, left):
    """Rounds of one and two epochs of 256 examples; the kill comes in the second round."""
    state = network()
    prune = Prune(use="prune", how="channels", fraction=0.5, rounds=2, epochs=3, batch=64)
    wanted = apply(prune, state, context(tmp_path / "undisturbed", state))
    lent = context(tmp_path / "killed", state)
    with pytest.raises(KeyboardInterrupt):
        apply(prune, state, replace(lent, progress=Killed(killed)))
    counted = Killed()
    outcome = apply(prune, state, replace(lent, progress=counted))
    assert counted.done == left
    assert outcome.facts == wanted.facts
    both = zip(outcome.state.model.get_weights(), wanted.state.model.get_weights(), strict=True)
    assert all(np.array_equal(first, second) for first, second in both)
    assert not list((lent.cache / "trainings").iterdir())


def test_amounts_from_a_sensitivity_file(tmp_path):
    cuts = [{"fraction": 0.25, "accuracy": 0.89, "loss": 1.0}, {"fraction": 0.5, "accuracy": 0.8, "loss": 1.0}]
    groups = [
        {"layers": layers, "channels": channels, "params": 1, "macs": 1, "cuts": cuts[:count]}
        for layers, channels, count in ((["stem", "body"], 8, 2), (["top"], 16, 1))
    ]
    found = {
        "schema": 1, "recipe": "a", "examples": 32, "split": "validation", "base": {"accuracy": 0.9, "loss": 0.9},
        "groups": groups, "int8": [],
    }  # fmt: skip
    path = tmp_path / "sensitivity.json"
    path.write_text(json.dumps(found))
    state = network()
    for drop, left in ((0.01, (6, 12)), (0.1, (4, 12)), (0.001, (8, 16))):
        prune = Prune(use="prune", how="channels", sensitivity=str(path), drop=drop, epochs=0)
        for side in (None, "lower"):
            model = apply(prune, state, context(tmp_path, state, side)).state.model
            assert (model.get_layer("stem").filters, model.get_layer("top").filters) == left
    wider = network(12)
    for side in (None, "lower"):
        with pytest.raises(UserError, match="stem, body had 8 channels when measured and have 12") as error:
            apply(prune, wider, context(tmp_path, wider, side))
        assert str(path) in str(error.value)
    path.write_text("{}")
    with pytest.raises(UserError, match=r"is not a sensitivity\.json"):
        apply(prune, state, context(tmp_path, state))


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_rehearsal_has_the_final_shape_and_trains_nothing(tmp_path, side):
    state = network()
    prune = Prune(use="prune", how="channels", fraction=0.5, importance="taylor", epochs=50)
    outcome = apply(prune, state, context(tmp_path, state, side))
    assert outcome.facts["fine_tune"].get("epochs", 0) == 0
    assert outcome.state.model.get_layer("top").filters == 8
    prune = Prune(use="prune", how="magnitude", sparsity=0.5, epochs=50)
    assert apply(prune, state, context(tmp_path, state, side)).facts["sparsity"]["top"] == 0.5


def test_global_scope_lies_between_its_rehearsals(tmp_path):
    state = network()
    prune = Prune(use="prune", how="channels", fraction=0.5, scope="global", epochs=0)
    lower, real, upper = (
        apply(prune, state, context(tmp_path, state, side)).facts["params_after"] for side in ("lower", None, "upper")
    )
    assert lower <= real <= upper
    assert lower < upper


def test_magnitude_trains_to_its_zeros_and_channels_keep_them(tmp_path):
    state = network()
    only = [{"match": "type:Conv2D"}, {"match": "body", "sparsity": 0.8}]
    prune = Prune(use="prune", how="magnitude", sparsity=0.5, only=only, epochs=2, batch=32)
    outcome = apply(prune, state, context(tmp_path, state))
    sparsity = outcome.facts["sparsity"]
    assert sparsity == pytest.approx({"stem": 0.5, "body": 0.8, "top": 0.5}, abs=0.01)
    assert [layer.name for layer in outcome.state.model.layers] == [layer.name for layer in state.model.layers]

    prune = Prune(use="prune", how="channels", fraction=0.25, only=["top"], epochs=1, batch=32)
    later = apply(prune, outcome.state, context(tmp_path, state)).state.model
    old, new = (model.get_layer("body").get_weights()[0] for model in (outcome.state.model, later))
    assert np.array_equal(old == 0, new == 0)
    assert not np.array_equal(old, new)


def test_two_of_four(tmp_path):
    state = network()
    outcome = apply(Prune(use="prune", how="magnitude", pattern="2:4", epochs=1), state, context(tmp_path, state))
    kernel = outcome.state.model.get_layer("top").get_weights()[0]
    blocks = np.count_nonzero(np.moveaxis(kernel, 2, 3).reshape(-1, 4), axis=1)
    assert (blocks == 2).all()


def test_subclassed_network_is_refused(tmp_path):
    keras: Any = backend.keras()

    class Own(keras.Model):
        """Computes in call()."""

        def call(self, inputs):
            return inputs

    state = Net(Own(), TASK)
    for keys in ({"how": "channels", "fraction": 0.5}, {"how": "magnitude", "sparsity": 0.5}):
        with pytest.raises(UserError, match="pruning needs a functional network"):
            apply(Prune(use="prune", **keys), state, context(tmp_path, state))


def test_a_pruned_network_lowers_to_int8(tmp_path):
    state = network()
    prune = Prune(use="prune", how="channels", fraction=0.3, epochs=1, batch=32)
    model = apply(prune, state, context(tmp_path, state)).state.model
    images = data().train.x[:64].astype(np.float32) / 255
    tf = backend.tensorflow()
    lite = tf.lite
    converter = lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    interpreter = lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = given["quantization"]
    outputs = []
    for image in images:
        interpreter.set_tensor(given["index"], np.round(image[None] / scale + zero).clip(-128, 127).astype(np.int8))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(made["index"])[0].astype(float) - made["quantization"][1])
    wanted = model.predict(images, verbose=0).argmax(axis=1)
    assert np.mean(np.argmax(outputs, axis=1) == wanted) > 0.8


SENTENCES = ("a good film", "a bad film", "good", "bad bad film", "a film", "good good", "bad", "a bad good film")


def reviews(count=48):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "good", "bad", "film"]
    tokenizer = Tokenizer(from_vocabulary(pieces, True, "test"), attention_networks.TOKENS)
    task = Task(("no", "yes", "unsure"), (attention_networks.TOKENS,), tokenizer=tokenizer)
    x = np.array([SENTENCES[index % len(SENTENCES)] for index in range(count)], dtype=object)
    return datasets.undivided(task, x, np.arange(count) % 3).for_training()


@pytest.mark.parametrize(("network", "importance"), [("encoder", "gate"), ("own", "taylor")])
def test_heads_of_text_networks_and_their_facts(tmp_path, network, importance):
    words = reviews()
    state = Net(getattr(attention_networks, network)(), words.task)
    prune = Prune(use="prune", how="heads", fraction=0.5, importance=importance, only=["*attention*"], epochs=1)
    facts = {}
    for side in (None, "lower"):
        lent = replace(context(tmp_path, state, side), data=words)
        outcome = apply(prune, state, lent)
        names = [layer.name for layer in outcome.state.model.layers if type(layer).__name__ == "Attention"]
        assert [outcome.state.model.get_layer(name).heads for name in names] == [2, 2]
        facts = outcome.facts
        assert [(group["heads_before"], group["heads_after"]) for group in facts["groups"]] == [(4, 2), (4, 2)]
        assert [group["layers"][-1] for group in facts["groups"]] == names
    whats = {each["what"] for each in facts.get("rewritten", [])}
    assert ("MultiHeadAttention" in whats) == (network == "own")


def test_heads_need_no_batch_normalization():
    with pytest.raises(ValidationError, match="heads have no BatchNormalization"):
        Prune(use="prune", how="heads", fraction=0.5, importance="bn_scale")
