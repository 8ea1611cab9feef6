"""Who trains in which shadow, what the ratios make of it, and shadows that are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import people

from tinyc.analysis.attack import lira, membership_split, shadows
from tinyc.analysis.attack.pool import shares
from tinyc.analysis.attack.shadows import ShadowTraining
from tinyc.core.errors import UserError
from tinyc.core.progress import Silent
from tinyc.network import backend
from tinyc.network.state import Net
from tinyc.spec.training import FitOptions
from tinyc.training.fit import fit


def test_as_many_of_each_side_by_seed() -> None:
    dataset = people.dataset()
    found = membership_split.draw(dataset, 50, 1)
    assert len(found.members) == len(found.others) == 50
    assert set(found.members.ids) <= set(dataset.train.ids)
    assert set(found.others.ids) <= set(dataset.test.ids)
    assert np.array_equal(found.members.ids, membership_split.draw(dataset, 50, 1).members.ids)
    assert not np.array_equal(found.members.ids, membership_split.draw(dataset, 50, 2).members.ids)
    with pytest.raises(UserError, match="too few to tell apart"):
        membership_split.draw(people.dataset(windows=1, subjects=6), 50, 1)


def test_what_keeps_the_sides_apart_is_the_coarsest_column_of_two_a_side() -> None:
    column = np.arange(12)
    train = {"window": column, "recording": column // 2, "subject": column // 6, "room": column * 0}
    test = {name: values + 100 for name, values in train.items() if name != "room"} | {"room": column * 0}
    assert membership_split.coarsest(train, test) == "subject"
    assert membership_split.coarsest(train, test | {"subject": np.full(12, 9)}) == "recording"
    assert membership_split.coarsest(train, {"room": column * 0}) is None


def test_shadows_get_whole_people_and_pairs_share_them_out() -> None:
    dataset = people.dataset()
    found = membership_split.draw(dataset, 50, 1)
    dealt = shares(dataset, found)
    subjects = dealt.examples.groups["subject"]
    first, second = (dealt.rows(index, 7) for index in (0, 1))
    assert not set(subjects[first]) & set(subjects[second])
    assert set(subjects[first]) | set(subjects[second]) == set(subjects)
    assert len(first) + len(second) == len(dealt.examples)
    assert not np.array_equal(first, dealt.rows(2, 7))


def test_without_groups_what_nobody_asks_about_is_in_every_shadow() -> None:
    dataset = people.dataset(grouped=False)
    found = membership_split.draw(dataset, 40, 1)
    dealt = shares(dataset, found)
    background = set(dataset.train.ids) - set(found.members.ids)
    asked = set(found.members.ids) | set(found.others.ids)
    for index in (0, 1):
        rows = set(dealt.examples.ids[dealt.rows(index, 7)])
        assert background <= rows
        assert rows - background <= asked
        assert len(rows - background) == 40
    assert np.array_equal(dealt.half(0, 7)[dealt.scored], ~dealt.half(1, 7)[dealt.scored])


@pytest.mark.parametrize("count", [4, 16, 64])
def test_the_ratio_finds_members_whatever_their_difficulty(count: int) -> None:
    """Examples differ by far more than training on one moves it, so that a threshold alone sees little."""
    random = np.random.default_rng(3)
    hardness = random.normal(0, 4, 400)
    trained = np.zeros((count, 400), bool)
    for index in range(0, count, 2):
        trained[index] = random.random(400) < 0.5
        trained[index + 1] = ~trained[index]
    rows = hardness + 1.5 * trained + 0.3 * random.normal(size=trained.shape)
    member = np.arange(400) < 200
    # Longer training and a temperature: the target's scale is its own.
    target = 3 * (hardness + 1.5 * member + 0.3 * random.normal(size=400)) + 5
    scores, method = lira.scores(target, rows, trained)
    assert method == ("offline" if count < 16 else "online")
    beaten = (scores[member][:, None] > scores[~member]).mean()
    alone = (target[member][:, None] > target[~member]).mean()
    assert beaten > 0.95
    assert alone < 0.75


def test_shadows_are_kept_and_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = people.dataset()
    found = membership_split.draw(dataset, 50, 1)
    net = Net(people.network(), dataset.task)
    training = ShadowTraining(net, FitOptions(epochs=1, batch=16), 2, tmp_path)
    calls: list[str] = []

    def counted(*arguments, **keys):
        calls.append(arguments[4])
        return fit(*arguments, **keys)

    monkeypatch.setattr(shadows, "fit", counted)
    before = [weight.copy() for weight in net.model.get_weights()]
    first = shadows.cast(training, dataset, found, 7, Silent())
    assert calls == ["shadow 1 of 2", "shadow 2 of 2"]
    assert all(np.array_equal(a, b) for a, b in zip(before, net.model.get_weights(), strict=True))
    again = shadows.cast(training, dataset, found, 7, Silent())
    assert len(calls) == 2
    assert np.array_equal(first.confidences, again.confidences)
    (file,) = tmp_path.glob("shadows-*/001.npz")
    file.write_bytes(file.read_bytes()[:100])
    mended = shadows.cast(training, dataset, found, 7, Silent())
    assert len(calls) == 3
    assert np.array_equal(first.confidences, mended.confidences)


def test_new_weights_keep_only_the_folded_preprocessing() -> None:
    layers = backend.keras().layers
    given = backend.keras().Input((4,))
    x = layers.Dense(3, name="tinyc_front_mix", trainable=False)(given)
    model = backend.keras().Model(given, layers.Dense(2, name="head")(x))
    made = shadows.fresh(model, 5)
    kept = model.get_layer("tinyc_front_mix").get_weights()[0]
    assert np.array_equal(made.get_layer("tinyc_front_mix").get_weights()[0], kept)
    assert not np.allclose(made.get_layer("head").get_weights()[0], model.get_layer("head").get_weights()[0])
    other = shadows.fresh(model, 5).get_layer("head").get_weights()[0]
    assert np.array_equal(made.get_layer("head").get_weights()[0], other)
