"""Clients in one process train as they do anywhere, and know the job once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import clients, faking
from support.federations import parts, server

import tinyc
from tinyc.core.errors import MachineError, UserError
from tinyc.federation import exchange, tensors, training
from tinyc.federation.client import local_training
from tinyc.federation.client import round as client_round
from tinyc.federation.flower import environment, log
from tinyc.federation.flower.messages import TRAIN, Failure, content


def test_what_a_client_raises_is_its_answer():
    transport = faking.transport(faking.names(2), {"client-1": faking.raising})
    assert transport.present() == {1: "client-1", 2: "client-2"}
    asked = content(tensors.packed(faking.START), {"server-round": 1})
    answers = transport.ask(TRAIN, {1: asked, 2: asked}, 60)
    assert answers[1] == Failure("OSError: the sensor is gone")
    assert not isinstance(answers[2], Failure)


def test_rounds_are_federated_averaging_of_what_clients_train():
    made, data = server(rounds=2), parts()
    found = training.run(made, data)
    arrays: Any = made.arrays
    for round in (1, 2):
        arrays = clients.average(
            [local_training.train(made.job, arrays, round, name, part) for name, part in data.items()]
        )
    for name, array in arrays.items():
        np.testing.assert_allclose(found.weights[name], array, rtol=0, atol=1e-6)
    assert any(np.abs(found.weights[name] - made.arrays[name]).max() > 1e-3 for name in arrays)
    assert found.facts["client_examples"] == {"client-1": 40, "client-2": 40, "client-3": 40}


def test_the_same_seed_gives_the_same_bytes():
    first, again = training.run(server(rounds=1), parts()), training.run(server(rounds=1), parts())
    assert faking.same(first.weights, again.weights)
    assert first.facts == again.facts


def test_a_node_started_anew_is_sent_the_job_again():
    made, data = server(rounds=2), parts()
    plain = training.run(made, data)

    def forgetful(round: int) -> str | None:
        client_round.JOBS.clear()
        return None

    again = training.run(replace(made, budget=faking.spending(forgetful)), data)
    assert faking.same(plain.weights, again.weights)
    second = [each.facts["rounds"][1] for each in (plain, again)]
    assert second[1]["rejected"] == []
    # In the second round all ask before one of them is sent the job.
    assert second[1]["bytes_down"] - second[0]["bytes_down"] > 3 * len(made.job.to_bytes())


def test_a_job_that_is_not_the_announced_one_is_refused():
    client_round.JOBS.clear()
    asked = content(config={"job-sha256": "0" * 64, "job": clients.job().to_bytes()})
    with pytest.raises(UserError, match="announces the job '0000"):
        client_round.known_job(asked)


def test_own_batch_normalization_survives_a_killed_server(tmp_path):
    data = parts()
    chosen = {"rounds": 3, "batchnorm": "local"}
    whole = training.run(replace(server(**chosen), folder=tmp_path / "whole"), data)

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
        training.run(replace(server(**chosen), folder=folder, validate=die), data)
    again = training.run(replace(server(**chosen), folder=folder), data)
    assert faking.same(whole.weights, again.weights)
    assert whole.facts["rounds"][2]["client_metrics"] == again.facts["rounds"][2]["client_metrics"]


def test_a_missing_library_names_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for need in (environment.settle, environment.require_ray):
        with pytest.raises(MachineError, match=r"tinyc\[federate\]"):
            need()


MISSING = """
import sys
sys.modules["{library}"] = None
from tinyc.core.errors import MachineError
try:
    import {module}
except MachineError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("library", "module"), [("flwr", "tinyc.federation.apply"), ("cryptography", "tinyc.federation.terminals.keys")]
)
def test_the_work_without_a_library_is_refused_in_a_line(library: str, module: str) -> None:
    root = str(Path(tinyc.__file__).parents[1])
    script = MISSING.format(library=library, module=module).replace(
        'sys.modules["flwr"] = None', "import importlib.util; importlib.util.find_spec = lambda name: None"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'pip install "tinyc[federate]"' in done.stdout, done.stderr


def test_flowers_warnings_are_shown_once():
    lines = faking.Lines()
    with log.warnings_shown(lines):
        for _ in range(2):
            logging.getLogger("flwr").warning("something is odd\nat length")
        logging.getLogger("flwr").info("not worth it")
        logging.getLogger("flwr").warning("DEPRECATED FEATURE: this")
    assert lines.said == ["flower: something is odd"]
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"


def test_encrypted_weights_need_a_client_with_the_key():
    with pytest.raises(UserError, match="has no key"):
        exchange.opened((), {"a": np.zeros(6, np.uint8)}, 0, "client-1")
    with pytest.raises(UserError, match="asks for encrypted updates, and this client has no key"):
        exchange.at_client(clients.job(aggregation="homomorphic"))
