"""The source is trained once, kept, resumed, shared between runs, and trained again where its file is damaged."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.lessons import TASK, Notes, context, digest, lesson, network, notes

from tinyc.core.errors import MachineError
from tinyc.network.contract import Context
from tinyc.network.state import Net
from tinyc.spec.source import TrainSpec
from tinyc.training.source import train

SPEC = TrainSpec(epochs=2, batch=32, augment=("flip",))


@pytest.fixture
def lent(tmp_path: Path) -> Context:
    return context(tmp_path, lesson(100))


def learn(lent: Context, seed: int = 1) -> tuple[str, Any]:
    net = Net(network(seed=seed), TASK)
    facts = train(net, SPEC, lent, lent.cache, "key")
    return digest(net.model), facts


def test_the_second_run_takes_the_weights_and_facts_of_the_first(lent: Context) -> None:
    first, facts = learn(lent)
    lent = replace(lent, progress=Notes())
    again, known = learn(lent, seed=8)
    assert first == again
    assert notes(lent).titles == []
    assert (facts.pop("cached"), known.pop("cached")) == (False, True)
    assert facts == known
    assert facts["seconds"] > 0
    assert sorted(path.name for path in (lent.cache / "sources" / "key").iterdir()) == [".lock", "weights.npz"]


def test_a_killed_training_goes_on_to_the_same_weights(lent: Context, tmp_path: Path) -> None:
    undisturbed, _ = learn(replace(lent, cache=tmp_path / "other"))
    lent = replace(lent, progress=Notes(fail_at=130))
    with pytest.raises(KeyboardInterrupt):
        learn(lent)
    lent = replace(lent, progress=Notes())
    resumed, facts = learn(lent, seed=8)
    assert resumed == undisturbed
    assert facts["seconds"] is None  # the part before it was killed is not known


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nonsense" * 100])
def test_a_damaged_entry_is_discarded_and_said(lent: Context, content: bytes) -> None:
    first, _ = learn(lent)
    (lent.cache / "sources" / "key" / "weights.npz").write_bytes(content)
    lent = replace(lent, progress=Notes())
    assert learn(lent)[0] == first
    assert any("discarded and trained again" in text for text in notes(lent).said)


def test_two_runs_train_it_once(lent: Context) -> None:
    """The second waits for the first and reads what it left."""
    nets = [Net(network(), TASK), Net(network(seed=9), TASK)]
    facts: list[Any] = []
    threads = [
        threading.Thread(target=lambda net=net: facts.append(train(net, SPEC, lent, lent.cache, "key"))) for net in nets
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fact["cached"] for fact in facts) == [False, True]
    assert digest(nets[0].model) == digest(nets[1].model)
    assert notes(lent).titles == ["train the source"]
    assert any("waiting for another run" in text for text in notes(lent).said)


def test_the_disk_is_said_and_checked_before(lent: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(MachineError, match="1,000 B are free"):
        learn(lent)
    assert any("needs up to" in text for text in notes(lent).said)


def test_a_rehearsal_writes_nothing(lent: Context) -> None:
    lent = replace(lent, rehearse="upper")
    learn(lent)
    assert not lent.cache.exists()
