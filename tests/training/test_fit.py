"""The loop learns, repeats itself to the byte, goes on after a kill, and stops at a loss that is not a number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.lessons import Notes, context, digest, lesson, network, notes

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.spec.training import FitOptions
from tinyc.tasks.classification.objectives import labels
from tinyc.training.fit import fit

OPTIONS = FitOptions(epochs=3, batch=32, learning_rate=3e-3, augment=("crop", "flip"), warmup=0.1)


def train(model: Any, context: Context, options: FitOptions = OPTIONS, **more: Any) -> Any:
    return fit(model, options, labels(context.seed, options.label_smoothing), context, "lesson", **more)


@pytest.fixture
def lent(tmp_path: Path) -> Context:
    return context(tmp_path)


def test_it_learns(lent: Context) -> None:
    lent = replace(lent, data=lesson(600, 100))
    facts = train(network(), lent, FitOptions(epochs=8, batch=32, learning_rate=5e-3))
    assert facts["loss"][-1] < 0.6 * facts["loss"][0]
    assert facts["validation_accuracy"][-1] > 0.5
    assert facts["examples"] == 8 * (600 // 32) * 32
    assert facts["best_validation_accuracy"] == max(facts["validation_accuracy"])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(lent: Context) -> None:
    models = [network(dropout=0.3) for _ in range(3)]
    facts = [train(models[0], lent), train(models[1], lent)]
    lent = replace(lent, seed=4)
    train(models[2], lent)
    assert digest(models[0]) == digest(models[1])
    assert facts[0] == facts[1]
    assert digest(models[0]) != digest(models[2])


@pytest.mark.parametrize("killed_after", [0.5, 1.5, 2.5], ids=["first epoch", "second epoch", "third epoch"])
def test_a_killed_training_goes_on_to_the_same_bytes(lent: Context, tmp_path: Path, killed_after: float) -> None:
    undisturbed = network(dropout=0.3)
    expected = train(undisturbed, lent)
    folder = tmp_path / "checkpoints"
    lent = replace(lent, progress=Notes(fail_at=int(killed_after * 192)))
    with pytest.raises(KeyboardInterrupt):
        train(network(dropout=0.3), lent, checkpoints=folder)
    lent = replace(lent, progress=Notes())
    resumed = network(seed=99, dropout=0.3) if killed_after > 1 else network(dropout=0.3)
    assert train(resumed, lent, checkpoints=folder) == expected
    assert digest(resumed) == digest(undisturbed)


def test_each_epoch_drops_other_units(lent: Context) -> None:
    lent = replace(lent, data=lesson(32))
    seen = []
    keras: Any = backend.keras()

    class Watch(keras.layers.Dropout):
        def call(self, inputs: Any, training: Any = None) -> Any:
            out = super().call(inputs, training)
            backend.tensorflow().py_function(lambda value: seen.append(value.numpy() == 0), [out], [])
            return out

    image = keras.Input((28, 28, 1))
    flat = keras.layers.Flatten()(image)
    model = keras.Model(image, keras.layers.Dense(10)(Watch(0.5)(flat + 1.0)))
    lent = replace(lent, data=lesson(32, 0))
    train(model, lent, FitOptions(epochs=2, batch=32))
    assert len(seen) == 2
    assert (seen[0] != seen[1]).mean() > 0.3


def test_only_two_checkpoints_stay_and_a_corrupt_one_falls_back(lent: Context, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    undisturbed = network()
    train(undisturbed, lent, checkpoints=folder)
    kept = sorted(path.name for path in folder.iterdir())
    assert kept == ["epoch-000002.npz", "epoch-000003.npz"]
    last = folder / kept[1]
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 0xFF
    last.write_bytes(bytes(content))
    lent = replace(lent, progress=Notes())
    resumed = network(seed=50)
    train(resumed, lent, checkpoints=folder)
    assert any(kept[1] in text and "ignored" in text for text in notes(lent).said)
    assert digest(resumed) == digest(undisturbed)


def test_a_checkpoint_of_another_training_is_passed_over(lent: Context, tmp_path: Path) -> None:
    train(network(), lent, checkpoints=tmp_path / "c")
    other = OPTIONS.model_copy(update={"learning_rate": 1e-3})
    model, alone = network(), network()
    train(model, lent, other, checkpoints=tmp_path / "c")
    train(alone, lent, other)
    assert any("another training" in text for text in notes(lent).said)
    assert digest(model) == digest(alone)


def test_a_loss_that_is_no_number_names_the_step_and_the_remedy(lent: Context) -> None:
    with pytest.raises(UserError, match=r"epoch 1, step \d+: the loss is .*nan|inf") as caught:
        train(network(), lent, FitOptions(epochs=2, batch=32, learning_rate=100.0, optimizer="sgd"))
    assert "learning rate of" in caught.value.problem
    assert "lower `learning_rate`" in caught.value.remedy


def test_a_rehearsal_trains_nothing(lent: Context) -> None:
    lent = replace(lent, rehearse="lower")
    model = network()
    before = digest(model)
    assert train(model, lent)["epochs"] == 0
    assert digest(model) == before
    assert notes(lent).titles == []


def test_an_augmentation_that_does_not_suit_the_data_is_refused_also_in_a_rehearsal(lent: Context) -> None:
    lent = replace(lent, rehearse="lower")
    rows = replace(lent.data.train, x=lent.data.train.x.reshape(len(lent.data.train), -1))
    lent = replace(lent, data=replace(lent.data, train=rows))
    with pytest.raises(UserError, match="'crop' needs images"):
        train(network(), lent)


def test_an_empty_training_split_is_refused(lent: Context) -> None:
    lent = replace(lent, data=lesson(0))
    with pytest.raises(UserError, match="training split is empty"):
        train(network(), lent)


def test_regularization_losses_and_weight_decay_shrink_the_kernels(lent: Context) -> None:
    def size(options: FitOptions, regularizer: Any = None) -> float:
        model = network()
        if regularizer:
            model.get_layer("logits").kernel_regularizer = regularizer
            model = backend.keras().models.clone_model(model)
            model.set_weights(network().get_weights())
        train(model, lent, options)
        return float(np.abs(model.get_layer("logits").kernel.numpy()).mean())

    options = FitOptions(epochs=1, batch=16, learning_rate=1e-2)
    plain = size(options)
    assert size(options, backend.keras().regularizers.L2(0.1)) < 0.97 * plain
    for optimizer, alone in (("adam", plain), ("adamw", plain), ("sgd", None)):
        kind = options.model_copy(update={"optimizer": optimizer})
        decayed = size(kind.model_copy(update={"weight_decay": 1.0}))
        assert decayed < 0.97 * (alone or size(kind)), optimizer


def test_tfmot_prunes_and_quantizes_under_the_loop(lent: Context) -> None:
    tfmot = backend.tfmot()
    schedule = tfmot.sparsity.keras.ConstantSparsity(0.5, begin_step=0, frequency=1)
    pruned = tfmot.sparsity.keras.prune_low_magnitude(network(), schedule)
    train(pruned, lent, callbacks=[tfmot.sparsity.keras.UpdatePruningStep()])
    kernel = tfmot.sparsity.keras.strip_pruning(pruned).get_layer("logits").kernel.numpy()
    assert (kernel == 0).mean() == pytest.approx(0.5, abs=0.01)
    aware = tfmot.quantization.keras.quantize_model(network())
    facts = train(aware, lent)
    assert facts["loss"][-1] < facts["loss"][0]


def test_a_network_of_which_nothing_is_trainable_is_refused(lent: Context) -> None:
    model = network()
    model.trainable = False
    with pytest.raises(UserError, match="is trainable, so that no epoch would change it") as raised:
        train(model, lent)
    assert "epochs = 0" in raised.value.remedy
    assert train(model, lent, OPTIONS.model_copy(update={"epochs": 0}))["epochs"] == 0
