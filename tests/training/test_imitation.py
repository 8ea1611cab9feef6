"""TinyBERT's losses: zero at the teacher, blind to padding, falling in training; and the store behind them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import lessons, readings
from support.lessons import Notes, digest, network, notes
from support.readings import context, encoder

from tinyc.core.errors import MachineError, UserError
from tinyc.data.inputs import inputs
from tinyc.spec.training import FitOptions
from tinyc.training import imitation
from tinyc.training.anatomy import anatomy
from tinyc.training.features import feature_source
from tinyc.training.imitation_stage import ImitationOptions, train_imitation
from tinyc.training.teachers import Panel, Teacher, teacher_predictor

KINDS = [("embedding", "scores"), ("hidden", "scores"), ("attention", "scores"), ("attention", "relations")]
ROOM = 2**31


def teacher(**shape: Any) -> Teacher:
    return Teacher("source", "reader", encoder(1, **({"depth": 1} | shape)))


def goals(part: Any, attending: Any, student: Any, source: Any) -> list[imitation.Goal]:
    ours, theirs = anatomy(student, "student"), anatomy(source, "teacher")
    return imitation.goals((part,), attending, ours, theirs, range(1, len(ours.layers) + 1), None)


def apart(chosen: list[imitation.Goal], student: Any, source: Any, ids: Any) -> list[float]:
    said = imitation.reader(source, [goal.teacher for goal in chosen])(ids)
    outputs = imitation.tensors_of(student, [goal.student for goal in chosen])(ids)
    return [float(each) for each in imitation.distances(chosen, outputs, said, (ids != 0).astype("float32"))]


def ids(reader: Any = None) -> Any:
    data = readings.readings(reader)
    return inputs(data.train.x, data.task)


@pytest.mark.parametrize(("part", "attending"), KINDS)
def test_the_teacher_itself_has_nothing_to_learn(part: str, attending: str) -> None:
    source, same, other = encoder(1), encoder(1), encoder(2)
    assert apart(goals(part, attending, same, source), same, source, ids()) == [0.0] * (1 if part == "embedding" else 2)
    assert min(apart(goals(part, attending, other, source), other, source, ids())) > 0.05


@pytest.mark.parametrize("kind", imitation.DISTANCES)
def test_padding_counts_in_no_loss(kind: imitation.Kind) -> None:
    """What stands at padded places may be anything."""
    draw = np.random.default_rng(0)
    shape = (3, 5, 4) if kind == "features" else (3, 2, 5, 5)
    mine, theirs = draw.normal(size=(2, *shape)).astype("float32")
    real = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]], "float32")
    distance = imitation.DISTANCES[kind]
    before = float(distance(mine, theirs, real))
    for example, token in zip(*np.nonzero(real == 0), strict=True):
        mine[(example, token) if kind == "features" else (example, slice(None), token)] = 50
        if kind != "features":
            mine[example, :, :, token] = -30
    assert float(distance(mine, theirs, real)) == pytest.approx(before, rel=1e-6)
    mine[0, ..., 0, 0] += 3
    assert float(distance(mine, theirs, real)) != pytest.approx(before, rel=1e-3)


def test_other_head_counts_agree_in_their_mean_or_in_relations() -> None:
    source, student = encoder(1, heads=4, depth=1), encoder(2, heads=2, width=8, depth=1)
    (mean,), (related,) = (goals("attention", each, student, source) for each in ("scores", "relations"))
    assert mean.student.shape == mean.teacher.shape == (1, readings.LENGTH, readings.LENGTH)
    assert related.student.shape == related.teacher.shape == (6, readings.LENGTH, readings.LENGTH)
    said = imitation.reader(source, [mean.teacher])(ids())[0].numpy()
    block = source.get_layer("layer0_attention")
    by_head = block.scores(*imitation.reader(source, [imitation.itself(x, "") for x in block.input[:2]])(ids()))
    assert np.allclose(said[:, 0], by_head.numpy().mean(1), atol=1e-5)


def test_a_trimmed_vocabulary_is_turned_back_wherever_a_teacher_is_asked() -> None:
    reader, source = readings.trimmed(), encoder(1, depth=1)
    seen, task = ids(reader), readings.task(reader)
    expected = source(reader.to_source(seen)).numpy()
    assert np.allclose(Panel((Teacher("a", "a", source),), task).predict(seen)[0], expected, atol=1e-5)
    assert np.allclose(teacher_predictor(source, task)(seen)[0], expected, atol=1e-5)
    assert not np.allclose(source(seen), expected, atol=1e-2)


def wanted(source: Any) -> list[imitation.Feature]:
    return [goal.teacher for part in ("hidden", "attention") for goal in goals(part, "scores", source, source)]


def test_stored_features_are_the_teachers_and_are_read_again(tmp_path: Path) -> None:
    reader, said = readings.trimmed(), teacher()
    given = context(tmp_path, said.model, reader)
    rows = np.array([7, 3, 90])
    seen = ids(reader)[rows]
    direct, facts = feature_source(said, wanted(said.model), 0, given)
    assert facts["from"] == "loop"
    assert any("store_limit of 0 B; the teacher runs in the loop" in text for text in notes(given).said)
    assert not given.cache.exists()
    stored, first = feature_source(said, wanted(said.model), facts["bytes"], given)
    assert (first["from"], first["arrays"], first["arrays_reused"]) == ("store", 2, 0)
    for a, b in zip(stored(seen, rows), direct(seen, rows), strict=True):
        assert np.allclose(a, b, atol=2e-2)
    (folder,) = (given.cache / "soft-labels").iterdir()
    kept = {path.name: path.stat().st_size for path in folder.glob("*.npy")}
    assert set(kept) == {"hidden-1.npy", "scores-1.npy"}
    assert sum(kept.values()) <= facts["bytes"]
    content = (folder / "hidden-1.npy").read_bytes()
    (folder / "hidden-1.npy").unlink()  # the memory map holds on to the old file
    (folder / "hidden-1.npy").write_bytes(content[:500])
    again, second = feature_source(said, wanted(said.model), facts["bytes"], given)
    assert second["arrays_reused"] == 1
    assert any("hidden-1.npy: computed again" in text for text in notes(given).said)
    assert all((a == b).all() for a, b in zip(again(seen, rows), stored(seen, rows), strict=True))
    feature_source(said, wanted(said.model), ROOM, context(tmp_path, said.model))
    assert len(list((given.cache / "soft-labels").iterdir())) == 2, "another tokenizer met these features"


def test_a_killed_store_leaves_nothing_and_the_disk_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = teacher()
    given = replace(context(tmp_path, said.model), progress=Notes(fail_at=50))
    with pytest.raises(KeyboardInterrupt):
        feature_source(said, wanted(said.model), ROOM, given)
    assert list(given.cache.rglob("*.npy*")) == []
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(MachineError, match=r"needs .* of disk, and 100 B are free"):
        feature_source(said, wanted(said.model), ROOM, given)


@pytest.mark.parametrize(("attending", "limit"), [("scores", 0), ("relations", ROOM)])
def test_imitation_brings_a_student_nearer_in_everything(tmp_path: Path, attending: Any, limit: int) -> None:
    said, given = teacher(), context(tmp_path)
    student = encoder(2, depth=1, width=8, inner=16)
    wanted = ImitationOptions(("embedding", "hidden", "attention"), attending, "uniform", limit)
    options = FitOptions(epochs=8, batch=20, learning_rate=1e-2)
    facts = train_imitation(wanted, student, said, None, options, given, [])
    assert facts["features"]["from"] == ("loop" if limit == 0 else "store")
    assert facts["loss"][-1] < 0.8 * facts["loss"][0]
    assert len(facts["distances"]) == 3
    assert all(after < 0.95 * before for before, after in facts["distances"].values())


def test_the_same_seed_gives_the_same_bytes_also_from_the_store(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        student = encoder(2, depth=1, width=8, inner=16, dropout=0.1)
        wanted = ImitationOptions(("hidden",), "scores", (1,), ROOM)
        train_imitation(wanted, student, teacher(), None, FitOptions(epochs=1, batch=20), context(tmp_path), [])
        made.append(digest(student))
    assert made[0] == made[1]


def test_networks_without_attention_and_data_without_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"student.*no Attention block"):
        anatomy(network(), "student")
    lent = lessons.context(tmp_path)
    wanted = ImitationOptions(("hidden",), "scores", "uniform", 0)
    with pytest.raises(UserError, match="imitate: the data is not text"):
        train_imitation(wanted, network(), teacher(), None, FitOptions(), lent, [])
