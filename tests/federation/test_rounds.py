"""Rounds end with the same weights whoever misbehaves and whenever the server dies; and they say what happened."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import faking
from support.faking import Lines, options, same
from support.optional import not_none

from tinyc.core import limits
from tinyc.core.errors import MachineError, UserError
from tinyc.federation import tensors
from tinyc.federation.client.in_process import InProcess
from tinyc.federation.flower.messages import NEEDS_JOB, config_of, content, weights_of
from tinyc.federation.rounds import checkpoints, loop
from tinyc.federation.updates import Updates, is_sealed
from tinyc.training import checkpoints as files


def test_too_few_answers_fail_and_keep_what_is_done(tmp_path):
    bad: dict[str, Any] = {}
    calls = 0

    def later(received):
        nonlocal calls
        calls += 1
        return faking.nan(received) if calls > 2 else faking.answer(received, 1)

    bad = {"client-1": later, "client-2": later, "client-3": faking.raising}
    server = faking.server(options(rounds=3, min_clients=2), 3, folder=tmp_path / "kept")
    with pytest.raises(MachineError) as raised:
        loop.run(server, faking.transport(faking.names(3), bad))
    assert raised.value.where == "federate, round 2"
    assert "0 usable answers, and 2 are needed" in raised.value.problem
    assert "client-1: a/kernel has values that are NaN" in raised.value.problem
    assert "client-3: OSError: the sensor is gone" in raised.value.problem
    assert "kept" in raised.value.remedy
    assert [path.name for path in not_none(server.folder).glob("epoch-*.npz")] == ["epoch-000001.npz"]


@pytest.mark.parametrize("record", [None, "nan", "shape", "names"])
def test_an_aggregation_that_did_not_happen_fails(record):
    made = {
        None: None,
        "nan": {name: array * np.float32("nan") for name, array in faking.START.items()},
        "shape": {name: array[:1] for name, array in faking.START.items()},
        "names": {"a/kernel": faking.START["a/kernel"]},
    }[record]

    def odd(updates: Updates) -> Updates:
        return replace(updates, together=made or {})

    server = faking.server(options(rounds=1), 2, steps=(odd,))
    with pytest.raises(MachineError, match=r"put together make no network|no answers were put together"):
        loop.run(server, faking.transport(faking.names(2)))


def test_a_step_that_fails_names_the_round() -> None:
    def odd(updates: Updates) -> Updates:
        raise ValueError("nothing to divide by")

    server = faking.server(options(rounds=1), 2, steps=(odd,))
    with pytest.raises(MachineError, match="round 1: the answers could not be put together: nothing to divide by"):
        loop.run(server, faking.transport(faking.names(2)))


def test_too_few_clients_come():
    with pytest.raises(MachineError, match=r"2 clients are connected after 0\.5 s, and 3 are needed"):
        faking.run(options(rounds=1, min_clients=3, timeout=0.5, engine="deployment"), 2)


def test_trimmed_mean_of_too_few_is_refused():
    with pytest.raises(UserError, match="needs 5 clients in a round, and there are 4"):
        faking.run(options(rounds=1, aggregation="trimmed_mean", trim=0.2), 4)


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


@pytest.mark.parametrize("strategy", ["fedavg", "fedadam"])
@pytest.mark.parametrize("moment", ["between", "within"])
def test_a_killed_server_ends_with_the_same_bytes(tmp_path, strategy, moment):
    chosen = options(rounds=5, fraction=0.5, strategy=strategy)
    undisturbed = faking.run(chosen, 6, folder=tmp_path / "undisturbed")
    folder, calls = tmp_path / "killed", list[Any]()

    def die(round: int) -> str | None:
        if round == 4:
            raise Killed
        return None

    def die_within(received):
        if len(calls) > 9:
            raise Killed
        return faking.answer({key: each + np.float32(0.1) for key, each in received.items()}, 1)

    deeds = dict.fromkeys(faking.names(6), die_within) if moment == "within" else None
    grid = faking.transport(faking.names(6), deeds, calls)
    if moment == "within":
        whole = faking.run(chosen, 6, dict.fromkeys(faking.names(6), one))
        with pytest.raises(Killed):
            loop.run(faking.server(chosen, 6, folder=folder), grid)
        again = faking.run(chosen, 6, dict.fromkeys(faking.names(6), one), folder=folder)
        assert same(again.weights, whole.weights)
    else:
        with pytest.raises(Killed):
            loop.run(faking.server(chosen, 6, folder=folder, budget=faking.spending(die)), grid)
        lines = Lines()
        again = faking.run(chosen, 6, folder=folder, progress=lines)
        assert same(again.weights, undisturbed.weights)
        assert [each["answered"] for each in again.facts["rounds"]] == [
            each["answered"] for each in undisturbed.facts["rounds"]
        ]
        assert "federate: goes on after round 3" in lines.said


def one(received):
    return faking.answer({key: each + np.float32(0.1) for key, each in received.items()}, 1)


def test_a_damaged_or_foreign_checkpoint_is_passed_over(tmp_path):
    chosen, folder = options(rounds=4), tmp_path / "kept"

    def stop(round):
        if round == 4:
            raise Killed

    with pytest.raises(Killed):
        faking.run(chosen, 3, folder=folder, budget=faking.spending(stop))
    latest = max(folder.glob("epoch-*.npz"))
    content = bytearray(latest.read_bytes())
    content[len(content) // 2] ^= 255
    latest.write_bytes(content)
    lines = Lines()
    found = faking.run(chosen, 3, folder=folder, progress=lines)
    assert same(found.weights, faking.run(chosen, 3).weights)
    assert any("passed over" in line for line in lines.said)
    shutil.rmtree(folder)

    with pytest.raises(Killed):
        faking.run(chosen, 3, folder=folder, budget=faking.spending(stop))
    lines = Lines()
    found = faking.run(options(rounds=4, learning_rate=0.1), 3, folder=folder, progress=lines)
    assert sum("another training" in line for line in lines.said) == 2
    assert len(found.facts["rounds"]) == 4


def stored(meta: Any) -> Any:
    """Spoil a checkpoint by another `meta` beside the same arrays."""

    def spoil(path: Path) -> None:
        arrays, text = files.read_arrays(path)
        found = meta(json.loads(text)) if callable(meta) else meta
        files.write_arrays(path, arrays, found if isinstance(found, str) else json.dumps(found))

    return spoil


def replaced(make: Any) -> Any:
    """Spoil a checkpoint by something else in its place."""

    def spoil(path: Path) -> None:
        path.unlink()
        make(path)

    return spoil


def endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(limits.NETWORK_BYTES + 1)


SPOILT = {
    "a list": stored("[]"),
    "a text": stored('"text"'),
    "deep": stored("[" * 100_000),
    "another round": stored(lambda table: {**table, "round": 10**9}),
    "infinite round": stored(lambda table: {**table, "round": float("inf")}),
    "facts of no round": stored(lambda table: {**table, "facts": [1]}),
    "facts that are a number": stored(lambda table: {**table, "facts": 1}),
    "facts without examples": stored(lambda table: {**table, "facts": [{}] * len(table["facts"])}),
    "a pipe": replaced(os.mkfifo),
    "a folder": replaced(Path.mkdir),
    "nothing in it": replaced(Path.touch),
    "text": replaced(lambda path: path.write_text("text")),
    "a zip of other things": replaced(lambda path: zipfile.ZipFile(path, "w").writestr("meta.npy", b"x")),
    "too large": replaced(endless),
}


@pytest.mark.parametrize("how", SPOILT)
def test_whatever_is_in_a_checkpoint_the_one_before_takes_its_place(how, tmp_path):
    chosen, folder, lines = options(rounds=3), tmp_path / "kept", Lines()
    faking.run(chosen, 3, folder=folder)
    SPOILT[how](max(folder.glob("epoch-*.npz")))
    found = checkpoints.restore(faking.server(chosen, 3, folder=folder, progress=lines))
    assert found.round == 2
    (line,) = lines.said
    assert "passed over" in line


def test_a_budget_stops_the_training():
    lines = Lines()
    stop = {3: "epsilon 8 is spent"}
    budget = faking.spending(stop.get, lambda rounds: 4.0 * rounds)
    found = faking.run(options(rounds=5), 3, budget=budget, progress=lines)
    assert [each["epsilon"] for each in found.facts["rounds"]] == [4.0, 8.0]
    assert found.facts["stopped"] == "epsilon 8 is spent"
    assert any("stops before round 3" in line for line in lines.said)


def test_facts_and_bytes():
    lines = Lines()
    found = faking.run(options(rounds=2), 3, progress=lines, validate=lambda arrays: float(arrays["b/bias"][0]) / 10)
    json.dumps(found.facts)
    first, second = found.facts["rounds"]
    assert found.facts["travels"] == {"variables": 2, "params": 10}
    assert found.facts["client_examples"] == {"client-1": 1, "client-2": 2, "client-3": 3}
    assert first["loss"] == pytest.approx(0.5)
    assert second["validation_accuracy"] == pytest.approx(float(found.weights["b/bias"][0]) / 10)
    assert first["bytes_up"] >= 3 * 40
    job = faking.server(options(rounds=2), 3).job.to_bytes()
    # The job goes once to each; then the weights alone.
    assert 3 * len(job) <= first["bytes_down"] - second["bytes_down"] <= 3 * (len(job) + 16)
    assert lines.notes == ["loss 0.500, val 0.223", "loss 0.500, val 0.247"]


def test_the_job_goes_once_to_each_drawn_client():
    calls: list[Any] = []
    known = faking.names(6)
    loop.run(faking.server(options(rounds=6, fraction=0.5), 6), faking.transport(known, calls=calls))
    carried = [name for _, name, job in calls if job]
    assert sorted(carried) == sorted({name for _, name, _ in calls})
    assert len(calls) == 18


@dataclass(frozen=True)
class Forgetful(faking.Faking):
    """A client that is started anew before every round, and does not have the job."""

    def answer(self, asked: Any, node: int, state: Any) -> Any:
        if "job" not in config_of(asked):
            return content(config={NEEDS_JOB: 1})
        return super().answer(asked, node, state)


def test_who_lacks_the_job_is_asked_once_more_and_the_others_count():
    calls: list[Any] = []
    people: list[Any] = [faking.Faking("client-1", calls=calls), Forgetful("client-2", calls=calls)]
    found = loop.run(faking.server(options(rounds=2), 2), InProcess(people))
    assert [each["answered"] for each in found.facts["rounds"]] == [["client-1", "client-2"]] * 2
    assert [(round, name) for round, name, job in calls if job] == [(1, "client-1"), (1, "client-2"), (2, "client-2")]
    assert same(found.weights, faking.run(options(rounds=2), 2).weights)


@dataclass(frozen=True)
class Xor:
    """Encryption of a kind, with one key for both sides; a step that opens, adds one to all weights, and seals."""

    key: int

    def seal(self, arrays: Any, rounds: int) -> dict[str, Any]:
        return {
            name: np.frombuffer(np.asarray(array).tobytes(), np.uint8) ^ np.uint8(self.key ^ rounds)
            for name, array in arrays.items()
        }

    def decrypt(self, sealed: Any, rounds: int, where: str) -> dict[str, Any]:
        return {
            name: (sealed[name] ^ np.uint8(self.key ^ rounds)).view(np.float32).reshape(array.shape)
            for name, array in faking.START.items()
        }

    def __call__(self, updates: Updates) -> Updates:
        arrays = self.decrypt(tensors.weights(updates.usable[0].content), updates.round - 1, "")
        more = {name: array + np.float32(1) for name, array in arrays.items()}
        return replace(updates, together=self.seal(more, updates.round))


@dataclass(frozen=True)
class Echo:
    """A client that sends back what it got."""

    name: str

    def answer(self, asked: Any, node: int, state: Any) -> Any:
        return content(weights_of(asked), metrics={"num-examples": 1, "loss": 0.1})


def test_sealed_weights_are_kept_in_the_clear_by_who_has_the_key(tmp_path):
    """With a key that changes from run to run, a resumed server seals anew what it had opened."""

    def train(key: int, opens: bool = True, **fields: Any) -> Any:
        xor: Any = Xor(key)
        opening = xor if opens else None
        server = faking.server(options(rounds=3), 2, steps=(xor,), sealing=xor, opening=opening, **fields)
        people: list[Any] = [Echo(name) for name in faking.names(2)]
        return loop.run(server, InProcess(people))

    def stop(round):
        if round == 3:
            raise Killed

    with pytest.raises(Killed):
        train(85, folder=tmp_path / "kept", budget=faking.spending(stop))
    found = train(51, folder=tmp_path / "kept", validate=lambda arrays: float(arrays["b/bias"][0]))
    assert found.weights["a/kernel"].tolist() == [[4.0, 4.0]] * 3
    assert [each["validation_accuracy"] for each in found.facts["rounds"]] == [None, None, 5.0]

    with pytest.raises(Killed):
        train(85, False, folder=tmp_path / "blind", budget=faking.spending(stop))
    blind = train(85, False, folder=tmp_path / "blind", validate=lambda arrays: 1.0)
    assert is_sealed(blind.weights)
    assert Xor(85).decrypt(blind.weights, 3, "")["b/bias"].tolist() == [5.0] * 4
    assert blind.facts["rounds"][-1]["validation_accuracy"] is None
    # Nobody has opened it yet: what the rounds came to is still there, and the same is given again.
    again = train(85, False, folder=tmp_path / "blind")
    assert same(again.weights, blind.weights)


def test_the_fingerprint_is_of_all_that_matters():
    first = faking.server(options(), 3)
    assert checkpoints.fingerprint(first) == checkpoints.fingerprint(
        faking.server(options(timeout=5, engine="simulation"), 3)
    )
    assert checkpoints.fingerprint(first) != checkpoints.fingerprint(faking.server(options(proximal=0.5), 3))
    assert checkpoints.fingerprint(first) != checkpoints.fingerprint(faking.server(options(), 3, seed=9))
