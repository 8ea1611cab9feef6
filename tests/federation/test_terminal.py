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

from tinyc.core.errors import MachineError, UserError
from tinyc.data.task import Task
from tinyc.federation import (
    certificates,
    terminal,
    terminal_account,
    terminal_consent,
    terminal_data,
    terminal_protection,
)
from tinyc.federation.job import Job
from tinyc.spec.federation import FederationOptions

PICTURES = Task(("cat", "dog", "owl"), (4, 4, 1), scale=1 / 255)
WINDOW = {"op": "window", "length": 8, "stride": 4, "by": "subject", "validation": ["1"], "test": ["2"]}


def job(task: Task = PICTURES, data: dict[str, Any] | None = None, **keys: Any) -> Job:
    options = FederationOptions.model_validate({"rounds": 3, "engine": "deployment", **keys})
    return Job(options, 1, b"", task, json.dumps(data if data is not None else {"name": "digits"}))


def pictures(count: int = 9) -> dict[str, Any]:
    x = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 1), np.uint8)
    return {"x": x, "y": np.arange(count) % 3}


def stored(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def silent(text: str) -> None: ...


def test_every_example_trains(tmp_path: Path) -> None:
    given = pictures()
    found = terminal_data.read(job(), stored(tmp_path / "own.npz", **given), silent)
    assert (found.train.x == given["x"]).all()
    assert (found.train.y == given["y"]).all()
    assert len(found.validation) == len(found.calibration) == 0
    assert found.task == PICTURES


def test_a_split_file_is_put_together(tmp_path: Path) -> None:
    one, two = pictures(6), pictures(3)
    path = stored(tmp_path / "own.npz", x_train=one["x"], y_train=one["y"], x_test=two["x"], y_test=two["y"])
    found = terminal_data.read(job(), path, silent)
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
    assert terminal_data.read(job(), path, silent).train.y.tolist() == [2, 0, 0, 2]


def test_a_class_that_is_missing_here_is_no_fault(tmp_path: Path) -> None:
    given = pictures(4)
    path = stored(tmp_path / "own.npz", x=given["x"], y=np.array([1, 1, 1, 1]))
    assert terminal_data.read(job(), path, silent).train.y.tolist() == [1, 1, 1, 1]


def test_a_table_goes_by_the_servers_columns(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("a,kind,b\n0.5,dog,1\n-0.5,cat,2\n")
    task = Task(("cat", "dog"), (2,))
    found = terminal_data.read(job(task, {"path": "server.csv", "label": "kind"}), path, silent)
    assert found.train.y.tolist() == [1, 0]
    assert found.train.x.tolist() == [[0.5, 1.0], [-0.5, 2.0]]


def test_folders_of_pictures_are_named_by_their_class(tmp_path: Path) -> None:
    from PIL import Image

    for name, value in (("owl", 10), ("dog", 200)):
        (tmp_path / "own" / name).mkdir(parents=True)
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(tmp_path / "own" / name / "one.png")
    found = terminal_data.read(job(data={"path": "elsewhere"}), tmp_path / "own", silent)
    assert dict(zip(found.train.y.tolist(), found.train.x[:, 0, 0, 0].tolist(), strict=True)) == {1: 200, 2: 10}


def recordings() -> dict[str, Any]:
    x = np.arange(64, dtype=np.float32).reshape(32, 2) / 64
    return {"x": x, "y": np.repeat([0, 1], 16), "recording": np.repeat(["first", "second"], 16)}


def test_recordings_become_the_servers_windows(tmp_path: Path) -> None:
    """The subjects that the server validates and tests with mean nothing here, nor need there be any."""
    task = Task(("walk", "run"), (8, 1, 2))
    found = terminal_data.read(
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
    found = terminal_data.read(job(task, data), path, silent)
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
        assert len(terminal_data.read(job(data=data), own, silent).train) == 6
    text = {"path": "a.csv", "text": "said", "label": "mood", "prepare": {"tokens": 4, "tokenizer": str(other)}}
    (tmp_path / "own.csv").write_text("said,mood\nhello,cat\n")
    assert terminal_data.spec_of(job(data=text), tmp_path / "own.csv").prepare.tokenizer is None  # type: ignore


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
        terminal_data.read(job(), stored(tmp_path / "own.npz", **arrays), silent)


def test_a_table_without_the_servers_column_is_said(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="has no column 'kind'"):
        terminal_data.read(job(data={"path": "server.csv", "label": "kind"}), tmp_path / "own.csv", silent)


def test_only_data_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="is not there"):
        terminal_data.look(tmp_path / "none.npz")
    (tmp_path / "own.pickle").touch()
    with pytest.raises(UserError, match="of no kind that is read"):
        terminal_data.look(tmp_path / "own.pickle")
    with pytest.raises(UserError, match=r"caf\\xe9\.csv: is no path in UTF-8"):
        terminal_data.look(tmp_path / os.fsdecode(b"caf\xe9.csv"))
    with pytest.raises(UserError, match="is no path: file name too long"):
        terminal_data.look(tmp_path / ("a" * 300))


def test_a_terminal_makes_no_masks_and_says_so() -> None:
    asks = job()
    asks = replace(asks, options=asks.options.model_copy(update={"aggregation": "secagg"}))
    with pytest.raises(UserError, match="which terminals do not make"):
        terminal_consent.accept(asks)


def test_encryption_needs_the_terminals_key(tmp_path: Path) -> None:
    asks = job()
    asks = replace(asks, options=asks.options.model_copy(update={"aggregation": "homomorphic"}))
    with pytest.raises(UserError, match="is not there, and the server asks for encrypted updates"):
        terminal_protection.protections(asks, tmp_path)


def test_nothing_asked_for_is_nothing_done(tmp_path: Path) -> None:
    assert terminal_protection.protections(job(), tmp_path) == ()


class Overheard:
    """A wire that keeps what would be sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def reply(self, message: Any, seconds: float) -> None:
        self.sent.append(message)


def test_of_a_failure_the_server_learns_nothing_but_that(tmp_path: Path) -> None:
    """The message here names the file and a value in it; what is sent names neither."""
    from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
    from flwr.supercore.task_identity import TaskIdentity

    path = stored(tmp_path / "secret-name.npz", x=pictures()["x"], y=np.array(["cat"] * 8 + ["secret-label"]))
    certificates.make(tmp_path / "keys", 1)
    keys = certificates.read_client(tmp_path / "keys" / "client-1")
    seat = terminal.Seat(terminal.Terminal("127.0.0.1:1", keys, path, 0), silent)
    asked = job()
    config = ConfigRecord({"server-round": 1, "job-sha256": asked.sha256, "job": asked.to_bytes()})
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    message = Message(RecordDict({"arrays": ArrayRecord({}), "config": config}), 7, "train")
    message.metadata.__dict__["_message_id"] = "asked"
    wire = Overheard()
    with pytest.raises(UserError, match="secret-label"):
        seat.answer(wire, message)  # type: ignore[arg-type]
    (sent,) = wire.sent
    assert sent.has_error()
    assert sent.error.reason == terminal.TROUBLE
    assert "secret" not in str(sent)


def strange(arrays: Any, **config: Any) -> Any:
    """A message to train that no server of tinyc sends."""
    from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
    from flwr.supercore.task_identity import TaskIdentity

    asked = job()
    records = {"config": ConfigRecord({"job-sha256": asked.sha256, "job": asked.to_bytes(), **config})}
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    content = RecordDict(records if arrays is None else {**records, "arrays": ArrayRecord(arrays)})
    message = Message(content, 7, "train")
    message.metadata.__dict__["_message_id"] = "asked"
    return message


def garbage() -> dict[str, Any]:
    from flwr.app import Array

    return {"w": Array("float32", (2,), "numpy.ndarray", b"garbage")}


STRANGE = {
    "no round": (lambda: strange({}), "has server-round = 'None'"),
    "round is a text": (lambda: strange({}, **{"server-round": "1"}), "which is no whole number"),
    "no weights": (lambda: strange(None, **{"server-round": 1}), "has no weights"),
    "garbage": (lambda: strange(garbage(), **{"server-round": 1}), "has weights that cannot be read"),
    "another job": (lambda: strange({}, **{"job-sha256": "0" * 64}), "announces the job"),
    "a job of garbage": (lambda: strange({}, **{"job-sha256": "0" * 64, "job": b"garbage"}), "cannot be read"),
    "a job that is a text": (lambda: strange({}, **{"job-sha256": 7}), "which is no text"),
}


def seat_of(folder: Path) -> terminal.Seat:
    certificates.make(folder / "keys", 1)
    keys = certificates.read_client(folder / "keys" / "client-1")
    return terminal.Seat(terminal.Terminal("127.0.0.1:1", keys, folder, 0), silent)


@pytest.mark.parametrize("what", STRANGE)
def test_what_a_strange_server_asks_ends_in_one_message(what: str, tmp_path: Path) -> None:
    message, said = STRANGE[what]
    wire: Any = Overheard()
    with pytest.raises(UserError, match=said):
        seat_of(tmp_path).answer(wire, message())
    assert wire.sent[0].error.reason == terminal.TROUBLE


def test_a_question_of_no_kind_ends_in_one_message(tmp_path: Path) -> None:
    message = strange({}, **{"server-round": 1})
    message.metadata.__dict__["_message_type"] = "query.nothing"
    wire: Any = Overheard()
    with pytest.raises(UserError, match="what the server asks: cannot be done here: ValueError"):
        seat_of(tmp_path).answer(wire, message)


def test_what_this_machine_lacks_is_not_the_servers_fault() -> None:
    from tinyc.federation import questions

    for error in (MemoryError(), OSError(28, "No space left on device"), MachineError("a", "b")):
        assert questions.failed(error) is error


@pytest.mark.parametrize("content", ["[", "[]", '{"a": "1"}', '{"a": 1.5}', '{"a": -1}', "[" * 100_000])
def test_a_count_that_cannot_be_read_stops_the_terminal(content: str, tmp_path: Path) -> None:
    (tmp_path / "spent.json").write_text(content)
    with pytest.raises(MachineError, match=r"spent\.json: .*\n.*nobody knows how much privacy was spent"):
        terminal_account.Account(tmp_path / "spent.json").spent()


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("spent.json", "encryption.key", "own.csv"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(MachineError, match="is a pipe"):
        terminal_account.Account(tmp_path / "spent.json").spent()
    with pytest.raises(UserError, match="is a pipe"):
        terminal_protection.sealing_key(tmp_path)
    with pytest.raises(UserError, match="is a pipe"):
        terminal_data.spec_of(job(data={"path": "server.csv"}), tmp_path / "own.csv")


def test_a_terminal_opens_the_network_once_and_nothing_before_its_last_round(tmp_path: Path) -> None:
    """Who asks twice, or for an earlier round, may be after another's update."""
    from flwr.app import ConfigRecord, Message, RecordDict
    from flwr.supercore.task_identity import TaskIdentity

    from tinyc.federation import records

    class Key:
        def open(self, sealed: Any, round: int, client: str) -> Any:
            return {"w": np.array([round + 1e-6, 2**-16], np.float32)}

        def protect(self, received: Any, trained: Any, round: int, client: str) -> Any:
            return {}

    def asked(rounds: int, sealed: bytes = b"sealed") -> Any:
        config = ConfigRecord({"job-sha256": "", "rounds": rounds})
        message = Message(RecordDict({"arrays": records.packed({"w": sealed}), "config": config}), 7, "query.open")
        message.metadata.__dict__["_message_id"] = f"asked-{rounds}"
        return message

    certificates.make(tmp_path / "keys", 1)
    keys = certificates.read_client(tmp_path / "keys" / "client-1")
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    said: list[str] = []
    seat = terminal.Seat(terminal.Terminal("127.0.0.1:1", keys, tmp_path, 0), said.append)
    wire: Any = Overheard()
    seat.answer(wire, asked(3))
    seat.job, seat.round, seat.chains = job(), 3, {job().sha256: (Key(),)}
    seat.answer(wire, asked(3))
    seat.answer(wire, asked(3, b"another's update"))
    seat.answer(wire, asked(3))
    # A server that was killed before it had the answer may ask for the same again.
    assert [message.has_error() for message in wire.sent] == [True, False, True, False]
    # What is opened leaves on a grid, without the errors of the encryption, which would tell of its key.
    assert records.unpacked(wire.sent[1].content["arrays"])["w"].tolist() == [4, 2**-16]
    assert said[1] == "client-1: opened the network after round 3 for the server"
    seat.job, seat.opened = job(), None
    with pytest.raises(UserError, match="asked to open round 2 after round 3"):
        seat.answer(wire, asked(2))


def test_a_server_that_ends_every_connection_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be asked for ever, each time at once."""

    class Ending:
        def receive(self) -> Any:
            raise terminal.Lost("HTTP 500")

    monkeypatch.setattr(terminal, "connected", lambda *arguments: nullcontext(Ending()))
    monkeypatch.setattr(terminal, "POLL_SECONDS", 0.0)
    said: list[str] = []
    seat = seat_of(tmp_path).terminal
    with pytest.raises(MachineError, match="ends every connection: HTTP 500"):
        terminal.join(replace(seat, retries=2, data=stored(tmp_path / "own.npz", **pictures())), said.append)
    assert sum("lost the server" in line for line in said) == 2
