"""A student sliced from its source: the source itself at equal shape, nearer than a random one where it is smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import readings
from support.readings import context, encoder

from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.training import imitation
from tinyc.training.anatomy import anatomy
from tinyc.training.imitation_stage import start_weights


def ids(reader: Any = None) -> Any:
    data = readings.readings(reader)
    return inputs(data.train.x, data.task)


def hidden(model: Any, seen: Any) -> Any:
    """The last hidden states of real tokens, (tokens, D)."""
    feature = imitation.itself(anatomy(model, "test").layers[-1].hidden, "hidden")
    return imitation.reader(model, [feature])(seen)[0].numpy()[seen != 0]


def left(model: Any, source: Any) -> float:
    """The share of the source's hidden states that no linear map of the student's explains."""
    mine, theirs = hidden(model, ids()), hidden(source, ids())
    mine = np.hstack([mine, np.ones((len(mine), 1))])
    fitted = mine @ np.linalg.lstsq(mine, theirs, rcond=None)[0]
    return float(((theirs - fitted) ** 2).sum() / ((theirs - theirs.mean(0)) ** 2).sum())


def test_a_student_of_the_same_shape_is_the_source(tmp_path: Path) -> None:
    source, student = encoder(1), encoder(2)
    basis, facts = start_weights(student, "uniform", context(tmp_path, source))
    assert np.allclose(source(ids()), student(ids()), atol=1e-4)
    assert (basis == np.eye(16)).all()
    assert (facts["layers"], facts["embedding_energy"], facts["head_layers"]) == ([1, 2], 1.0, ["logits"])


def test_a_narrow_table_of_full_rank_is_the_source_too(tmp_path: Path) -> None:
    """ALBERT's two factors give the source's table where its rank is theirs."""
    source, student = encoder(1), encoder(2, embedding=15)
    table = source.get_layer("tokens").embeddings
    u, s, v = np.linalg.svd(table.numpy(), full_matrices=False)
    table.assign((u[:, :15] * s[:15]) @ v[:15])
    assert start_weights(student, "uniform", context(tmp_path, source))[1]["embedding_energy"] == pytest.approx(1)
    assert np.allclose(source(ids()), student(ids()), atol=1e-3)


def test_a_trimmed_vocabulary_takes_its_own_rows(tmp_path: Path) -> None:
    reader = readings.trimmed()
    source, student = encoder(1), encoder(2, vocabulary=len(reader.vocabulary))
    start_weights(student, "uniform", context(tmp_path, source, reader))
    seen = ids(reader)
    assert not (seen == reader.to_source(seen)).all()
    assert np.allclose(source(reader.to_source(seen)), student(seen), atol=1e-4)


@pytest.mark.parametrize("shape", [{"width": 8}, {"depth": 1}, {"width": 8, "embedding": 6, "inner": 16, "heads": 1}])
def test_a_smaller_student_begins_nearer_than_a_random_one(tmp_path: Path, shape: dict[str, int]) -> None:
    source = encoder(1, spread=0.5)
    random, student = encoder(2, spread=0.0, **shape), encoder(2, spread=0.0, **shape)
    _, facts = start_weights(student, "uniform", context(tmp_path, source))
    assert left(student, source) < 0.9 * left(random, source)
    assert 0.3 < facts["embedding_energy"] <= 1
    assert all(np.isfinite(weight).all() for weight in student.get_weights())


def test_heads_are_kept_by_what_they_write(tmp_path: Path) -> None:
    """Where all heads but one are silent, the student's head is that one, and nothing else is lost."""
    source, student = encoder(1, heads=4, depth=1), encoder(2, heads=1, head_width=4, depth=1)
    output = source.get_layer("layer0_output").kernel
    kernel = output.numpy()
    kernel[np.r_[0:8, 12:16]] = 0
    output.assign(kernel)
    _, facts = start_weights(student, "uniform", context(tmp_path, source))
    assert facts["heads"] == [[3]]
    assert np.allclose(source(ids()), student(ids()), atol=1e-4)


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ({"width": 24}, "the student is 24 wide, and the source 16"),
        ({"vocabulary": 100}, "the student's table has 100 rows"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, student: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        start_weights(encoder(2, **student), "uniform", context(tmp_path))


def test_layer_maps(tmp_path: Path) -> None:
    source = encoder(1, depth=3)
    assert start_weights(encoder(depth=2), "uniform", context(tmp_path, source))[1]["layers"] == [2, 3]
    assert start_weights(encoder(depth=2), (1, 2), context(tmp_path, source))[1]["layers"] == [1, 2]
    with pytest.raises(UserError, match=r"layer_map.*\[1, 4\]"):
        start_weights(encoder(depth=2), (1, 4), context(tmp_path, source))
