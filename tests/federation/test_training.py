"""A training lies in the cache where `tinyc cache` finds it, under what its weights depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import clients, contexts
from support.lessons import Notes

from tinyc.core import cache
from tinyc.federation import compiled_job, training
from tinyc.network.contract import Context
from tinyc.network.state import Net


def context(folder: Path) -> Context:
    return contexts.context(folder, clients.data(60), Net(None, clients.TASK))


def test_an_interrupted_training_is_listed_and_goes_on_elsewhere(tmp_path: Path) -> None:
    """Another engine, cluster or timeout is no other training."""
    job, whole = clients.job(engine="process", rounds=2), context(tmp_path)
    people = training.clients_of(job.options, whole)

    with pytest.raises(KeyboardInterrupt):
        training.train(job, people, replace(whole, progress=Notes(fail_at=0)))
    (entry,) = cache.entries(whole.cache)
    assert entry.kind == "trainings"

    def key(**keys: Any) -> str:
        other = replace(job, options=job.options.model_copy(update=keys))
        return training.training_key(other, compiled_job.first_weights(job), whole)

    assert key() == key(engine="simulation", address="localhost:1", timeout=7.0) == entry.key
    assert key(learning_rate=0.1) != entry.key
    assert training.train(job, people, whole).facts["rounds"][0]["round"] == 1
    assert cache.entries(whole.cache) == []
    compiled_job.forget()
