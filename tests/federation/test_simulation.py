"""The simulation on Ray ends where the process engine ends, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support import clients, faking
from support.federations import parts, server

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import tensors, training
from tinyc.federation.flower import simulation
from tinyc.federation.flower.messages import TRAIN, content
from tinyc.federation.rounds import loop
from tinyc.federation.server.checks import enough
from tinyc.federation.updates import Updates


def children() -> set[int]:
    return {each.pid for each in psutil.Process().children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE}


@pytest.mark.long
def test_clients_on_ray_are_named_and_rejected_as_in_one_process():
    """Without TensorFlow in the workers, so that it takes seconds."""
    before, known, bad = children(), faking.names(4), {"client-2": faking.nan, "client-4": faking.raising}
    chosen = clients.options(engine="simulation", rounds=2)
    with simulation.cluster(None, 4):
        found = loop.run(faking.server(chosen, 4), simulation.Simulated(faking.faking(known, bad)))
    inside = faking.run(chosen, 4, bad)
    assert faking.same(found.weights, inside.weights)
    assert [each["answered"] for each in found.facts["rounds"]] == [["client-1", "client-3"]] * 2
    whys = {each["client"]: each["why"] for each in found.facts["rounds"][1]["rejected"]}
    assert "NaN" in whys["client-2"]
    assert whys["client-4"] == "the sensor is gone"
    assert found.facts["rounds"][0]["bytes_down"] == inside.facts["rounds"][0]["bytes_down"]
    assert not children() - before


LEFT = """
import os, sys
sys.path[:0] = sys.argv[1:3]
from dataclasses import replace
from functools import partial
from support import clients
from support.federations import parts, server
from tinyc.core.errors import MachineError
from tinyc.federation import compiled_job, training
from tinyc.federation.server.checks import enough
def disliking(updates):
    return updates.without({each.client: "it is not liked" for each in updates.usable})
data, chosen = parts(2), server(rounds=1, engine="simulation", clients=2)
training.run(replace(chosen, clients=2), data)
try:
    training.run(replace(chosen, clients=2, steps=(disliking, partial(enough, least=2, say=lambda text: None))), data)
except MachineError:
    print("failed as it should")
compiled_job.first_weights(clients.job(clients.network(0.5)))
"""


@pytest.mark.long
def test_nothing_is_left_in_the_home_or_among_temporary_files(tmp_path):
    """After a run that ends, one that fails, and the end of Python, which has nothing to complain of."""
    tests = Path(__file__).parents[1]
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-c", LEFT, str(tests), str(tests.parent)]
    # Short, since Ray's sockets lie in it.
    with tempfile.TemporaryDirectory(dir="/tmp") as scratch:
        around = {**os.environ, "HOME": str(home), "TMPDIR": scratch}
        around.pop("FLWR_HOME", None)
        ended = subprocess.run(command, env=around, capture_output=True, text=True, timeout=400, check=False)
        left = os.listdir(scratch)
    assert ended.stdout == "failed as it should\n", ended.stderr
    assert "Exception ignored" not in ended.stderr
    # Keras makes its own folder on import, with or without us.
    assert {path.name for path in home.iterdir()} <= {".keras"}
    assert left == []


def test_what_flower_writes_goes_with_the_process(tmp_path):
    code = "import os; import tinyc.federation.flower; print(os.environ['FLWR_HOME'])"
    around = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    around.pop("FLWR_HOME", None)
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=around, capture_output=True, text=True, check=True
    )
    assert Path(ended.stdout.strip()).parent == tmp_path
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_ray_gives_what_one_process_gives_and_ends():
    before = children()
    data = parts()
    inside = training.run(server(rounds=2), data)
    found = training.run(server(rounds=2, engine="simulation"), data)
    for name, array in inside.weights.items():
        np.testing.assert_allclose(found.weights[name], array, rtol=0, atol=1e-6)
    assert [each["answered"] for each in found.facts["rounds"]] == [list(data)] * 2
    assert not children() - before
    assert not [each for each in threading.enumerate() if each.name.startswith("Thread-") and each.is_alive()]


def disliking(updates: Updates) -> Updates:
    """Take no answer."""
    return updates.without({each.client: "it is not liked" for each in updates.usable})


@pytest.mark.long
def test_ray_ends_when_the_rounds_fail():
    before = children()
    broken = server(rounds=2, engine="simulation", min_clients=3)
    with pytest.raises(MachineError, match="usable answers") as raised:
        training.run(replace(broken, steps=(disliking, partial(enough, least=3, say=lambda text: None))), parts())
    assert "client-2: it is not liked" in raised.value.problem
    assert not children() - before


def test_a_dead_head_is_said():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(MachineError, match="cannot be reached"):
        simulation.reach(f"127.0.0.1:{port}")


def test_a_head_that_is_no_ray_is_said(monkeypatch):
    monkeypatch.setattr(simulation, "ANSWER_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(MachineError, match="answers as Ray does within 2 s"):
            simulation.reach(f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["6379", "host", "host:ray"])
def test_what_is_no_address(address):
    with pytest.raises(UserError, match="is no HOST:PORT"):
        simulation.reach(address)


def hanging(received: Any) -> Any:
    time.sleep(600)


@pytest.mark.long
def test_who_is_late_on_ray_gives_its_worker_to_the_next_round():
    before = children()
    asked = content(tensors.packed(faking.START), {"server-round": 1})
    with simulation.cluster(None, 2):
        transport = simulation.Simulated(faking.faking(faking.names(2), {"client-2": hanging}))
        assert transport.present() == {1: "client-1", 2: "client-2"}
        assert set(transport.ask(TRAIN, {1: asked}, 120)) == {1}
        for _ in range(3):  # one more than there are workers
            assert set(transport.ask(TRAIN, {1: asked, 2: asked}, 30)) == {1}
    assert not children() - before
