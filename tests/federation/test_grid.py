"""The grid in one process is one of Flower's, and its clients train as they do anywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import clients, faking
from support.federations import parts, server

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import apps, engines, flower, local, records, rounds
from tinyc.federation.grid import InProcess


def test_it_has_all_that_flower_asks_of_a_grid():
    flower.settle()
    from flwr.serverapp import Grid

    missing = {name for name in Grid.__abstractmethods__ if not hasattr(InProcess, name)} - {"run"}
    assert not missing
    assert InProcess(faking.client_app(["a"]), ["a"]).run is not None


def test_what_a_client_raises_is_its_answer():
    from flwr.app import ConfigRecord, Message, RecordDict

    grid = InProcess(
        faking.client_app(["client-1", "client-2"], {"client-1": faking.raising}), ["client-1", "client-2"]
    )
    content = RecordDict({"arrays": records.packed(faking.START), "config": ConfigRecord({"server-round": 1})})
    messages = [Message(content, node, "train") for node in grid.get_node_ids()]
    first, second = grid.send_and_receive(messages)
    assert first.has_error()
    assert "the sensor is gone" in first.error.reason
    assert second.metadata.reply_to_message_id == messages[1].metadata.message_id
    assert grid.pull_messages([messages[1].metadata.message_id]) == []


def test_rounds_are_federated_averaging_of_what_clients_train():
    made, data = server(rounds=2), parts()
    found = engines.train(made, data)
    arrays: Any = made.arrays
    for round in (1, 2):
        arrays = clients.average([local.train(made.job, arrays, round, name, part) for name, part in data.items()])
    for name, array in arrays.items():
        np.testing.assert_allclose(found.arrays[name], array, rtol=0, atol=1e-6)
    assert any(np.abs(found.arrays[name] - made.arrays[name]).max() > 1e-3 for name in arrays)
    assert found.facts["client_examples"] == {"client-1": 40, "client-2": 40, "client-3": 40}


def test_the_same_seed_gives_the_same_bytes():
    first, again = engines.train(server(rounds=1), parts()), engines.train(server(rounds=1), parts())
    assert all(first.arrays[name].tobytes() == again.arrays[name].tobytes() for name in first.arrays)
    assert first.facts == again.facts


def test_a_node_started_anew_is_sent_the_job_again():
    made, data = server(rounds=2), parts()
    plain = engines.train(made, data)

    def forgetful(round: int) -> str | None:
        apps.JOBS.clear()
        return None

    again = engines.train(replace(made, before_round=forgetful), data)
    assert all(plain.arrays[name].tobytes() == again.arrays[name].tobytes() for name in plain.arrays)
    second = [each.facts["rounds"][1] for each in (plain, again)]
    assert second[1]["rejected"] == []
    # In the second round all ask before one of them is sent the job.
    assert second[1]["bytes_down"] - second[0]["bytes_down"] > 3 * len(made.job.to_bytes())


def test_a_job_that_is_not_the_announced_one_is_refused():
    from flwr.app import ConfigRecord, RecordDict

    apps.JOBS.clear()
    config = ConfigRecord({"job-sha256": "0" * 64, "job": clients.job().to_bytes()})
    with pytest.raises(UserError, match="announces the job '0000"):
        apps.known_job(RecordDict({"config": config}))


def test_own_batch_normalization_survives_a_killed_server(tmp_path):
    data = parts()
    chosen = {"rounds": 3, "batchnorm": "local"}
    whole = engines.train(replace(server(**chosen), folder=tmp_path / "whole"), data)

    class Killed(BaseException):
        pass

    calls = 0

    def die(arrays: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        return 0.5

    folder = tmp_path / "killed"
    with pytest.raises(Killed):
        engines.train(replace(server(**chosen), folder=folder, validate=die), data)
    again = engines.train(replace(server(**chosen), folder=folder), data)
    assert all(whole.arrays[name].tobytes() == again.arrays[name].tobytes() for name in whole.arrays)
    assert whole.facts["rounds"][2]["client_metrics"] == again.facts["rounds"][2]["client_metrics"]


def test_nodes_that_nobody_knows_say_who_they_are():
    claimed: Any = ["client-1", "client-2", "client-2", 7]
    app = faking.client_app(claimed)

    class Unknowing(InProcess):
        client_names: Any = property(lambda self: (_ for _ in ()).throw(AttributeError()))

    said: list[str] = []

    class Lines(faking.Silent):
        def say(self, text: str) -> None:
            said.append(text)

    chosen = clients.options(engine="deployment", rounds=2)
    found = rounds.run(faking.server(chosen, 2, progress=Lines()), Unknowing(app, faking.names(4)))
    assert [each["answered"] for each in found.facts["rounds"]] == [["client-1", "client-2"]] * 2
    assert sum("who is connected already" in line for line in said) == 1
    assert sum("not a line of text" in line for line in said) == 1


def test_a_missing_library_names_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for deed in (flower.settle, flower.ray):
        with pytest.raises(MachineError, match=r"tinyc\[federate\]"):
            deed()


def test_flowers_warnings_are_said_once(monkeypatch):
    import logging

    said: list[str] = []

    class Lines(faking.Silent):
        def say(self, text: str) -> None:
            said.append(text)

    with flower.heard(Lines()):
        for _ in range(2):
            logging.getLogger("flwr").warning("something is odd\nat length")
        logging.getLogger("flwr").info("not worth it")
        logging.getLogger("flwr").warning("DEPRECATED FEATURE: this")
    assert said == ["flower: something is odd"]
    import os

    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"


def test_sealed_weights_need_a_client_with_the_key():
    from tinyc.federation import protection

    with pytest.raises(UserError, match="has no key"):
        protection.opened((), {"a": b"sealed"}, 1, "client-1")
