"""The pass `verify`: the same artifact back, with what the runtimes made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support import contexts, datasets, tiny

from tinyc import measure
from tinyc.core.errors import UserError
from tinyc.data.task import Task
from tinyc.network.contract import Context
from tinyc.network.state import Flat
from tinyc.spec.passes import PASSES, apply
from tinyc.spec.passes.verify import Verify
from tinyc.tflite.run.pool import Pool

TASK = Task(tuple("abcde"), tiny.SHAPE)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2) as made:
        yield made


def context(pool: Pool, rehearse: Any = None) -> Context:
    dataset = datasets.undivided(TASK, tiny.examples(40), np.arange(40) % 5)

    def compare(flat: Flat) -> Mapping[str, Any]:
        return measure.compare_runtimes(flat, dataset, pool)

    nothing: Any = None
    return contexts.context(Path(), dataset.for_training(), nothing, rehearse, seed=1, compare=compare)


@pytest.mark.parametrize("rehearse", [None, "lower"])
def test_the_artifact_comes_back_untouched_with_the_facts(pool: Pool, rehearse: Any) -> None:
    flat = Flat(tiny.plain(), TASK, tables={"labels": 5})
    outcome = apply(Verify(), flat, context(pool, rehearse))
    assert outcome.state == flat
    assert outcome.facts["agreed"] is True
    assert outcome.facts["examples"] == 40
    assert set(outcome.facts["runtimes"]) == {"tflm", "reference", "fast"}


def test_an_operator_that_tflm_lacks_is_an_error(pool: Pool) -> None:
    with pytest.raises(UserError, match=r"no GELU.*layer bent"):
        apply(Verify(), Flat(tiny.with_gelu(), TASK), context(pool))


def test_it_is_registered_and_takes_no_options() -> None:
    assert PASSES["verify"] is Verify
    assert (Verify.takes, Verify.gives) == ("flat", "flat")
    with pytest.raises(ValidationError):
        Verify.model_validate({"use": "verify", "examples": 10})
