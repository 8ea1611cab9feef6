"""`tinyc federate`: keys, a server and its terminals, each a process of its own as in the field."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

import tinyc
from tinyc import cli

Shown = pytest.CaptureFixture[str]
BUILD = """
def build(input_shape, classes):
    import tf_keras as keras

    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 3, 2, activation="relu", name="first")(image)
    return keras.Model(image, keras.layers.Dense(classes, name="head")(keras.layers.Flatten()(x)))
"""
RECIPE = """
name = "terminals"
seed = 3

[source]
build = "net.py:build"
train = { epochs = 1, batch = 32, learning_rate = 5e-3 }

[data]
path = "server.npz"
scale = 0.00392156862745098

[[pass]]
use = "federate"
engine = "process"
clients = 3
rounds = 3
min_clients = 2
local_epochs = 1
learning_rate = 0.05
timeout = 300

[[pass]]
use = "quantize"
"""
PATIENCE = 240


def run(*arguments: str, code: int = 0) -> None:
    assert cli.invoke(["federate", *arguments]) == code


def test_keys_are_made_and_never_overwritten(tmp_path: Path, capsys: Shown) -> None:
    folder = tmp_path / "keys"
    run("keys", str(folder), "--clients", "2", "--host", "server.example.org")
    shown = capsys.readouterr().out
    assert f"{folder}/server: stays with the server" in shown
    assert f"{folder}/client-2: goes to one terminal" in shown
    run("keys", str(folder), "--clients", "2", code=2)
    assert "never overwritten" in capsys.readouterr().err


def test_serve_needs_a_federate_pass_and_keys(tmp_path: Path, capsys: Shown) -> None:
    write(tmp_path)
    text = (tmp_path / "recipe.toml").read_text()
    (tmp_path / "none.toml").write_text(text[: text.index("[[pass]]")] + '[[pass]]\nuse = "quantize"\n')
    run("serve", str(tmp_path / "none.toml"), "--keys", str(tmp_path), code=2)
    assert "has no pass `federate`" in capsys.readouterr().err
    run("serve", str(tmp_path / "recipe.toml"), "--keys", str(tmp_path), code=2)
    assert "server.pem: is not there" in capsys.readouterr().err


def test_compress_says_how_terminals_are_met(tmp_path: Path, capsys: Shown) -> None:
    write(tmp_path)
    out = ["--out", str(tmp_path / "runs"), "--set", 'pass.federate.engine="deployment"']
    assert cli.invoke(["compress", str(tmp_path / "recipe.toml"), *out]) == 2
    assert "tinyc federate serve RECIPE" in capsys.readouterr().err


def test_join_says_what_is_wrong_before_it_asks_anyone(tmp_path: Path, capsys: Shown) -> None:
    run("keys", str(tmp_path / "keys"), "--clients", "1")
    server = ["join", "--server", "127.0.0.1:1", "--max-retries", "0"]
    client = ["--keys", str(tmp_path / "keys" / "client-1")]
    run(*server, "--keys", str(tmp_path), "--data", str(tmp_path / "x.npz"), code=2)
    assert "ca.pem: is not there" in capsys.readouterr().err
    run(*server, *client, "--data", str(tmp_path / "x.npz"), code=3)
    assert "x.npz: is not there" in capsys.readouterr().err
    own(tmp_path / "x.npz", 0)
    run(*server, *client, "--data", str(tmp_path / "x.npz"), code=3)
    assert "127.0.0.1:1: cannot be reached" in capsys.readouterr().err
    run(*server, "--keys", str(tmp_path / "keys"), "--name", "client-1", "--data", str(tmp_path / "x.npz"), code=3)


def own(path: Path, seed: int, count: int = 90, **parts: int) -> Path:
    """Three kinds of noisy pictures, as one party has them."""
    draw = np.random.default_rng(seed)
    patterns = np.random.default_rng(0).integers(0, 200, (3, 8, 8, 1))
    arrays = {}
    for part, size in (parts or {"": count}).items():
        y = np.arange(size) % 3
        arrays["x" + part] = (patterns[y] + draw.integers(0, 56, (size, 8, 8, 1))).astype(np.uint8)
        arrays["y" + part] = y
    np.savez(path, **arrays)
    return path


def write(folder: Path) -> None:
    """The server's recipe and data, and three terminals' examples."""
    (folder / "net.py").write_text(BUILD)
    (folder / "recipe.toml").write_text(RECIPE)
    own(folder / "server.npz", 99, _train=120, _test=60)
    for number in (1, 2, 3, 4):
        own(folder / f"own-{number}.npz", number)


@dataclass
class Field:
    """A server and terminals, each a process with its output in a file."""

    folder: Path
    port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str) -> None:
        own = {"TINYC_CACHE": str(self.folder / "cache"), "PYTHONPATH": str(Path(tinyc.__file__).parents[1])}
        environment = {**os.environ, **own, "PYTHONUNBUFFERED": "1"}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "tinyc", "federate", *arguments],
                cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def serve(self, name: str, clients: int, *more: str) -> None:
        self.start(name, "serve", "recipe.toml", "--keys", "keys/server", "--address", f"127.0.0.1:{self.port}",
                   "--clients", str(clients), "--out", "runs", *more)  # fmt: skip

    def join(self, name: str, keys: str, data: str) -> None:
        self.start(name, "join", "--server", f"127.0.0.1:{self.port}", "--keys", keys, "--data", data,
                   "--max-retries", "60")  # fmt: skip

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def until(self, name: str, pattern: str) -> None:
        """Wait for a line of a process."""
        ends = time.monotonic() + PATIENCE
        while not re.search(pattern, self.said(name)):
            assert self.processes[name].poll() is None, f"{name} ended before {pattern!r}:\n{self.said(name)}"
            assert time.monotonic() < ends, f"{name} never said {pattern!r}:\n{self.said(name)}"
            time.sleep(0.1)

    def ended(self, name: str) -> int:
        try:
            return self.processes[name].wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{name} does not end:\n{self.said(name)}")

    def left_over(self) -> list[str]:
        """What still runs of the sessions that were started here."""
        sessions = {process.pid for process in self.processes.values()}
        found = []
        for each in psutil.process_iter(["pid", "cmdline", "status"]):
            try:
                if os.getsid(each.pid) in sessions and each.info["status"] != psutil.STATUS_ZOMBIE:
                    found.append(f"{each.pid} {each.info['cmdline']}")
            except ProcessLookupError:
                continue
        return found


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Field]:
    write(tmp_path)
    run("keys", str(tmp_path / "keys"), "--clients", "3", "--encryption")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    there = Field(tmp_path, port)
    yield there
    for process in there.processes.values():
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.long
def test_three_rounds_with_one_killed_and_one_forged(terminals: Field) -> None:
    """A forged key is refused, a terminal dies in the middle, a terminal has bad data: the others finish."""
    run("keys", str(terminals.folder / "forged"), "--clients", "1")
    authority = terminals.folder / "keys" / "server" / "ca.pem"
    (terminals.folder / "forged" / "client-1" / "ca.pem").write_bytes(authority.read_bytes())
    terminals.serve("server", 3)
    for number in (1, 2, 3):
        terminals.join(f"client-{number}", f"keys/client-{number}", f"own-{number}.npz")
    terminals.until("server", "listening on")
    terminals.join("forged", "forged/client-1", "own-4.npz")
    terminals.until("client-3", "round 1 of 3")
    os.kill(terminals.processes["client-3"].pid, signal.SIGKILL)
    assert terminals.ended("server") == 0, terminals.said("server")
    assert [terminals.ended(f"client-{number}") for number in (1, 2)] == [0, 0], terminals.said("client-1")
    assert terminals.ended("forged") == 2
    assert "does not know the key client-1" in terminals.said("forged")
    for name in ("client-1", "client-2"):
        assert [int(number) for number in re.findall(r"round (\d) of 3:", terminals.said(name))] == [1, 2, 3]
        assert "the server is done" in terminals.said(name)
    rounds = facts(terminals)["rounds"]
    assert len(rounds) == 3
    assert rounds[0]["answered"] == ["client-1", "client-2", "client-3"]
    assert rounds[-1]["answered"] == ["client-1", "client-2"]
    assert all(each["loss"] > 0 for each in rounds)
    assert "own-1" not in terminals.said("server")
    assert terminals.left_over() == []


def facts(terminals: Field) -> dict[str, Any]:
    report = json.loads(next((terminals.folder / "runs").glob("*/report.json")).read_text())
    found: dict[str, Any] = next(step for step in report["steps"] if step["pass"] == "federate")["facts"]
    return found


@pytest.mark.long
def test_a_killed_server_goes_on_and_its_terminals_find_it_again(terminals: Field) -> None:
    for number in (1, 2):
        terminals.join(f"client-{number}", f"keys/client-{number}", f"own-{number}.npz")
    terminals.serve("server", 2)
    terminals.until("client-1", "round 2 of 3")
    os.kill(terminals.processes["server"].pid, signal.SIGKILL)
    terminals.serve("again", 2)
    assert terminals.ended("again") == 0, terminals.said("again")
    assert re.search(r"goes on after round [12]", terminals.said("again"))
    assert [terminals.ended(f"client-{number}") for number in (1, 2)] == [0, 0], terminals.said("client-1")
    assert len(facts(terminals)["rounds"]) == 3
    assert terminals.left_over() == []


@pytest.mark.long
def test_an_interrupted_server_leaves_nothing_behind(terminals: Field) -> None:
    terminals.serve("server", 1)
    terminals.until("server", "listening on")
    os.kill(terminals.processes["server"].pid, signal.SIGINT)
    assert terminals.ended("server") == 130, terminals.said("server")
    assert terminals.left_over() == []


@pytest.mark.long
def test_encrypted_updates_end_as_plain_ones(terminals: Field) -> None:
    """The server cannot read them; at the end the terminals open the network, rounded to 2**-16."""
    found = {}
    for way in ("plain", "homomorphic"):
        terminals.serve(way, 2, "--set", f'pass.federate.aggregation="{way}"')
        for number in (1, 2):
            terminals.join(f"{way}-{number}", f"keys/client-{number}", f"own-{number}.npz")
        assert terminals.ended(way) == 0, terminals.said(way)
        assert [terminals.ended(f"{way}-{number}") for number in (1, 2)] == [0, 0], terminals.said(f"{way}-1")
        newest = max((terminals.folder / "runs").glob("*/01-federate-*/net.h5"), key=lambda path: path.stat().st_mtime)
        found[way] = weights(newest)
    assert "opened the network after round 3 for the server" in terminals.said("homomorphic-1")
    assert len(found["plain"]) == 4
    for one, other in zip(found["plain"], found["homomorphic"], strict=True):
        assert np.abs(one - other).max() < 2**-17 + 1e-6
    assert terminals.left_over() == []


def weights(path: Path) -> list[NDArray[Any]]:
    import h5py

    found: list[NDArray[Any]] = []
    with h5py.File(path) as file:
        file["model_weights"].visititems(lambda name, item: found.append(item[:]) if hasattr(item, "shape") else None)
    return found
