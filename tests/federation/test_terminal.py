"""What a terminal makes of its own examples, and what it says of itself when something is wrong."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import clients

from tinyc.core.errors import MachineError, UserError
from tinyc.data import own_examples
from tinyc.data.task import Task
from tinyc.federation import exchange, tensors
from tinyc.federation.client import request
from tinyc.federation.client.round import Place
from tinyc.federation.flower.fleet import Lost, Received
from tinyc.federation.flower.messages import OPEN, TRAIN, Content, Failure, content, weights_of
from tinyc.federation.job import Job, Network
from tinyc.federation.privacy.encryption import Encryption
from tinyc.federation.terminals import account, job_rules, terminal
from tinyc.federation.terminals import keys as key_files
from tinyc.federation.terminals.terminal import Participation, Terminal
from tinyc.federation.updates import Arrays
from tinyc.spec.federation import FederationOptions
from tinyc.spec.sentences import Prepare

PICTURES = Task(("cat", "dog", "owl"), (4, 4, 1), scale=1 / 255)
WINDOW = {"op": "window", "length": 8, "stride": 4, "by": "subject", "validation": ["1"], "test": ["2"]}


def job(task: Task = PICTURES, data: dict[str, Any] | None = None, **keys: Any) -> Job:
    options = FederationOptions.model_validate({"rounds": 3, "engine": "deployment", **keys})
    return Job(options, 1, Network("{}", b""), task, json.dumps(data if data is not None else {"name": "digits"}))


def pictures(count: int = 9) -> dict[str, Any]:
    x = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 1), np.uint8)
    return {"x": x, "y": np.arange(count) % 3}


def stored(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def silent(text: str) -> None: ...


def read(asked: Job, path: Path, say: Any) -> Any:
    return own_examples.read(asked.data, asked.task, path, say)


def test_every_example_trains(tmp_path: Path) -> None:
    given = pictures()
    found = read(job(), stored(tmp_path / "own.npz", **given), silent)
    assert (found.train.x == given["x"]).all()
    assert (found.train.y == given["y"]).all()
    assert len(found.validation) == len(found.calibration) == 0
    assert found.task == PICTURES


def test_a_split_file_is_put_together(tmp_path: Path) -> None:
    one, two = pictures(6), pictures(3)
    path = stored(tmp_path / "own.npz", x_train=one["x"], y_train=one["y"], x_test=two["x"], y_test=two["y"])
    found = read(job(), path, silent)
    assert len(found.train) == 9
    assert len(set(found.train.ids.tolist())) == 9


@pytest.mark.parametrize("kind", ["names", "own numbers"])
def test_labels_are_the_servers_classes_whatever_their_order_here(kind: str, tmp_path: Path) -> None:
    x = pictures(4)["x"]
    names = np.array(["owl", "cat", "cat", "owl"])
    if kind == "names":
        path = stored(tmp_path / "own.npz", x=x, y=names)
    else:
        path = stored(tmp_path / "own.npz", x=x, y=np.array([0, 1, 1, 0]), class_names=np.array(["owl", "cat"]))
    assert read(job(), path, silent).train.y.tolist() == [2, 0, 0, 2]


def test_a_class_that_is_missing_here_is_no_fault(tmp_path: Path) -> None:
    given = pictures(4)
    path = stored(tmp_path / "own.npz", x=given["x"], y=np.array([1, 1, 1, 1]))
    assert read(job(), path, silent).train.y.tolist() == [1, 1, 1, 1]


def test_a_table_goes_by_the_servers_columns(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("a,kind,b\n0.5,dog,1\n-0.5,cat,2\n")
    task = Task(("cat", "dog"), (2,))
    found = read(job(task, {"path": "server.csv", "label": "kind"}), path, silent)
    assert found.train.y.tolist() == [1, 0]
    assert found.train.x.tolist() == [[0.5, 1.0], [-0.5, 2.0]]


def test_folders_of_pictures_are_named_by_their_class(tmp_path: Path) -> None:
    from PIL import Image

    for name, value in (("owl", 10), ("dog", 200)):
        (tmp_path / "own" / name).mkdir(parents=True)
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(tmp_path / "own" / name / "one.png")
    found = read(job(data={"path": "elsewhere"}), tmp_path / "own", silent)
    assert dict(zip(found.train.y.tolist(), found.train.x[:, 0, 0, 0].tolist(), strict=True)) == {1: 200, 2: 10}


def recordings() -> dict[str, Any]:
    x = np.arange(64, dtype=np.float32).reshape(32, 2) / 64
    return {"x": x, "y": np.repeat([0, 1], 16), "recording": np.repeat(["first", "second"], 16)}


def test_recordings_become_the_servers_windows(tmp_path: Path) -> None:
    """The subjects that the server validates and tests with mean nothing here, nor need there be any."""
    task = Task(("walk", "run"), (8, 1, 2))
    found = read(
        job(task, {"path": "server.npz", "prepare": [WINDOW]}), stored(tmp_path / "own.npz", **recordings()), silent
    )
    given = recordings()["x"]
    assert found.train.x.shape == (6, 8, 1, 2)
    assert (found.train.x[1, :, 0] == given[4:12]).all()
    assert found.train.y.tolist() == [0, 0, 0, 1, 1, 1]


IMU = {"name": "smartwatch-imu", "prepare": [WINDOW], "rate": 50.0, "sample_bits": 16}
TABLE = {"path": "server.csv", "label": "kind", "recording": "session", "groups": ["hand"], "prepare": [WINDOW]}


@pytest.mark.parametrize("kind", ["npz", "csv"])
@pytest.mark.parametrize("subject", [True, False])
@pytest.mark.parametrize("data", [IMU, TABLE], ids=["embedded", "table"])
def test_own_recordings_of_any_kind_become_the_servers_windows(
    data: dict[str, Any], subject: bool, kind: str, tmp_path: Path
) -> None:
    """Neither the subject that the server cuts by nor its other groups need be there; where they are, no feature is."""
    given, task = recordings(), Task(("walk", "run"), (8, 1, 2))
    path = tmp_path / f"own.{kind}"
    if kind == "npz":
        stored(path, **given, **({"subject": np.repeat("me", 32)} if subject else {}))
    else:
        label, recording = data.get("label", "label"), data.get("recording", "recording")
        rows = [f"{label},x,y,{recording}" + (",subject" if subject else "")]
        for (x, y), number, session in zip(given["x"], given["y"], given["recording"], strict=True):
            rows.append(f"{task.classes[number]},{x},{y},{session}" + (",me" if subject else ""))
        path.write_text("\n".join(rows))
    found = read(job(task, data), path, silent)
    assert (found.train.x[1, :, 0] == given["x"][4:12]).all()
    assert found.train.y.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_job_cannot_name_other_files_or_code(tmp_path: Path) -> None:
    """What is read lies at --data, whatever the server's [data] says."""
    other = stored(tmp_path / "other.npz", **pictures(3))
    own = stored(tmp_path / "own.npz", **pictures(6))
    for data in (
        {"path": str(other)},
        {"load": {"build": f"{tmp_path}/code.py:load"}, "path": str(other)},
        {"name": "smartwatch-imu", "path": str(other), "validation": 3, "split": "x", "label": "y"},
    ):
        assert len(read(job(data=data), own, silent).train) == 6
    text = {"path": "a.csv", "text": "said", "label": "mood", "prepare": {"tokens": 4, "tokenizer": str(other)}}
    (tmp_path / "own.csv").write_text("said,mood\nhello,cat\n")
    prepare = own_examples.spec_of(json.dumps(text), tmp_path / "own.csv").prepare
    assert isinstance(prepare, Prepare)
    assert prepare.tokenizer is None


BAD = [
    ({"x": pictures()["x"], "y": np.array(["cat"] * 8 + ["cow"])}, "has the label 'cow', which the server does not"),
    ({"x": pictures()["x"], "y": np.arange(9)}, "but class_names has 3 names"),
    ({"x": pictures()["x"], "y": np.arange(8)}, "has the shape"),
    ({"x": pictures()["x"]}, "lacks y"),
    ({"x": np.full((3, 4, 4, 1), np.nan), "y": np.arange(3)}, "is nan at"),
    ({"x": pictures()["x"], "y": np.arange(9), "class_names": np.array(["cat", "dog"])}, "do not name"),
]


@pytest.mark.parametrize(("arrays", "said"), BAD, ids=[said for _, said in BAD])
def test_bad_data_is_said_where_it_is(arrays: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        read(job(), stored(tmp_path / "own.npz", **arrays), silent)


def test_a_table_without_the_servers_column_is_said(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="has no column 'kind'"):
        read(job(data={"path": "server.csv", "label": "kind"}), tmp_path / "own.csv", silent)


def test_only_data_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="is not there"):
        own_examples.look(tmp_path / "none.npz")
    (tmp_path / "own.pickle").touch()
    with pytest.raises(UserError, match="of no kind that is read"):
        own_examples.look(tmp_path / "own.pickle")
    with pytest.raises(UserError, match=r"caf\\xe9\.csv: is not a path in UTF-8"):
        own_examples.look(tmp_path / os.fsdecode(b"caf\xe9.csv"))
    with pytest.raises(UserError, match="is not a path: file name too long"):
        own_examples.look(tmp_path / ("a" * 300))


def test_a_terminal_makes_no_masks_and_says_so() -> None:
    asks = job()
    asks = replace(asks, options=asks.options.model_copy(update={"aggregation": "secagg"}))
    with pytest.raises(UserError, match="which terminals do not make"):
        job_rules.accept(asks)


def test_encryption_needs_the_terminals_key(tmp_path: Path) -> None:
    asks = job()
    asks = replace(asks, options=asks.options.model_copy(update={"aggregation": "homomorphic"}))
    with pytest.raises(UserError, match="is not there, and the server asks for encrypted updates"):
        participation(tmp_path).take(asks)


def test_what_terminals_do_not_do_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """The folder of this terminal holds no examples, which would be said first."""
    asks = job()
    asks = replace(asks, options=asks.options.model_copy(update={"engine": "process"}))
    asked = content(tensors.packed({}), {"server-round": 1, "job-sha256": asks.sha256, "job": asks.to_bytes()})
    wire: Any = Overheard()
    with pytest.raises(UserError, match="of the engine 'process', and this is a terminal"):
        participation(tmp_path).reply(wire, received(asked))
    assert wire.sent == [Failure(terminal.TROUBLE)]


def test_nothing_asked_for_is_nothing_done() -> None:
    assert exchange.at_client(job()) == ()


class Overheard:
    """A connection that keeps what would be sent."""

    def __init__(self) -> None:
        self.sent: list[Content | Failure] = []

    def reply(self, received: Received, answer: Content | Failure, seconds: float) -> None:
        self.sent.append(answer)


def participation(folder: Path, data: Path | None = None, say: Any = silent) -> Participation:
    key_files.make(folder / "keys", 1)
    keys = key_files.read_client(folder / "keys" / "client-1")
    return Participation(Terminal("127.0.0.1:1", keys, data or folder, 0), say)


def received(asked: Content, kind: str = TRAIN) -> Received:
    message: Any = None
    return Received(kind, asked, message)


def strange(weights: bytes | None, **config: Any) -> Content:
    """A message to train that no server of tinyc sends."""
    asked = job()
    return content(weights, {"job-sha256": asked.sha256, "job": asked.to_bytes(), **config})


NONE = tensors.packed({})
HALF: Arrays = {"a": np.zeros(1, np.uint8), "b": np.ones(2, np.float32)}


def test_of_a_failure_the_server_learns_nothing_but_that(tmp_path: Path) -> None:
    """The message here names the file and a value in it; what is sent names neither."""
    path = stored(tmp_path / "secret-name.npz", x=pictures()["x"], y=np.array(["cat"] * 8 + ["secret-label"]))
    wire: Any = Overheard()
    with pytest.raises(UserError, match="secret-label"):
        participation(tmp_path, path).reply(wire, received(strange(NONE, **{"server-round": 1})))
    assert wire.sent == [Failure(terminal.TROUBLE)]
    assert "secret" not in str(wire.sent)


STRANGE = {
    "no round": (lambda: strange(NONE), "has server-round = 'None'"),
    "round is a text": (lambda: strange(NONE, **{"server-round": "1"}), "which is no whole number"),
    "no weights": (lambda: strange(None, **{"server-round": 1}), "has no weights"),
    "garbage": (lambda: strange(b"garbage", **{"server-round": 1}), "has weights that cannot be read"),
    "half encrypted": (
        lambda: strange(tensors.packed(HALF), **{"server-round": 1}),
        "cannot be read: b is not encrypted",
    ),
    "another job": (lambda: strange(NONE, **{"job-sha256": "0" * 64}), "announces the job"),
    "a job of garbage": (lambda: strange(NONE, **{"job-sha256": "0" * 64, "job": b"garbage"}), "cannot be read"),
    "a job that is a text": (lambda: strange(NONE, **{"job-sha256": 7}), "which is no text"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_a_strange_server_asks_ends_in_one_message(what: str, tmp_path: Path) -> None:
    asked, said = STRANGE[what]
    wire: Any = Overheard()
    path = stored(tmp_path / "own.npz", **pictures())
    with pytest.raises(UserError, match=said):
        participation(tmp_path, path).reply(wire, received(asked()))
    assert wire.sent == [Failure(terminal.TROUBLE)]


def test_a_question_of_no_kind_ends_in_one_message(tmp_path: Path) -> None:
    wire: Any = Overheard()
    with pytest.raises(UserError, match=r"what the server asks: asks for .query\.nothing., which no terminal does"):
        participation(tmp_path).reply(wire, received(strange(NONE), "query.nothing"))
    assert wire.sent == [Failure(terminal.TROUBLE)]


def test_what_fails_without_a_message_of_its_own_is_the_servers_asking(tmp_path: Path, monkeypatch: Any) -> None:
    def broken(self: Any, job: Job) -> Place:
        raise ZeroDivisionError("by zero\nand more")

    monkeypatch.setattr(Participation, "take", broken)
    wire: Any = Overheard()
    with pytest.raises(UserError, match=r"what the server asks: cannot be done here: ZeroDivisionError: by zero\n"):
        participation(tmp_path).reply(wire, received(strange(NONE)))


def test_what_this_machine_lacks_is_not_the_servers_fault() -> None:
    for error in (MemoryError(), OSError(28, "No space left on device"), MachineError("a", "b")):
        assert request.failed(error) is error


@pytest.mark.parametrize("content", ["[", "[]", '{"a": "1"}', '{"a": 1.5}', '{"a": -1}', "[" * 100_000])
def test_a_count_that_cannot_be_read_stops_the_terminal(content: str, tmp_path: Path) -> None:
    (tmp_path / "spent.json").write_text(content)
    with pytest.raises(MachineError, match=r"spent\.json: .*\n.*nobody knows how much privacy was spent"):
        account.Account(tmp_path / "spent.json").spent()


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("spent.json", "encryption.key", "own.csv"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(MachineError, match="is a pipe"):
        account.Account(tmp_path / "spent.json").spent()
    with pytest.raises(UserError, match="is a pipe"):
        key_files.sealing_key(tmp_path)
    with pytest.raises(UserError, match="is a pipe"):
        own_examples.spec_of(json.dumps({"path": "server.csv"}), tmp_path / "own.csv")


def test_a_terminal_opens_the_network_once_and_nothing_before_its_last_round(tmp_path: Path) -> None:
    """Who asks twice, or for an earlier round, may be after another's update."""

    class Key(Encryption):
        def decrypt(self, sealed: Any, rounds: int, where: str) -> Any:
            return {"w": np.array([rounds + 1 + 1e-6, 2**-16], np.float32)}

    def asked(rounds: int, sealed: bytes = b"sealed") -> Received:
        return received(
            content(tensors.packed({"w": np.frombuffer(sealed, np.uint8)}), {"job-sha256": "", "rounds": rounds}), OPEN
        )

    cipher: Any = None
    said: list[str] = []
    here, wire = participation(tmp_path, say=said.append), Overheard()
    connection: Any = wire
    here.reply(connection, asked(3))
    steps = (Key(cipher, {}, clients.options()),)
    here.place, here.round = Place(job(), here.name, clients.data(4), steps, here.state), 3
    here.reply(connection, asked(3))
    here.reply(connection, asked(3, b"another's update"))
    here.reply(connection, asked(3))
    # A server that was killed before it had the answer may ask for the same again.
    assert [isinstance(each, Failure) for each in wire.sent] == [True, False, True, False]
    # What is opened leaves on a grid, without the errors of the encryption, which would tell of its key.
    opened = wire.sent[1]
    assert not isinstance(opened, Failure)
    assert tensors.unpacked(weights_of(opened) or b"")["w"].tolist() == [4, 2**-16]
    assert said[1] == "client-1: opened the network after round 3 for the server"
    here.opened = None
    with pytest.raises(UserError, match="asked to open round 2 after round 3"):
        here.reply(connection, asked(2))


def test_a_server_that_ends_every_connection_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be asked for ever, each time at once."""

    class Ending:
        def receive(self) -> Any:
            raise Lost("HTTP 500")

    monkeypatch.setattr(terminal, "connected", lambda *arguments: nullcontext(Ending()))
    monkeypatch.setattr(terminal, "POLL_SECONDS", 0.0)
    said: list[str] = []
    here = participation(tmp_path).terminal
    with pytest.raises(MachineError, match="ends every connection: HTTP 500"):
        terminal.join(replace(here, retries=2, data=stored(tmp_path / "own.npz", **pictures())), said.append)
    assert sum("lost the server" in line for line in said) == 2
