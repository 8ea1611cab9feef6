"""`tinyc bench`: a table, JSON, bounds, evidence, and what it refuses."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import artifacts, few_values, timings, tiny
from support.optional import not_none
from support.tiny import Graph, Plan, by_hand, of_graphs

from tinyc import cli
from tinyc.measure import boards, evidence
from tinyc.measure.timings import read_timings
from tinyc.tflite.run import timing
from tinyc.tflite.write.tables import compact, gains

Shown = pytest.CaptureFixture[str]
QUICK = ("--threads", "1,2", "--runs", "5")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "model.tflite"
    found.write_bytes(artifacts.by_hand())
    return found


def measured(path: Path, content: bytes | None = None, **changes: Any) -> Path:
    """A measurement of a file, as another machine wrote it."""
    found = path.with_name("measured.json")
    found.write_text(json.dumps(timings.document(path.read_bytes() if content is None else content, **changes)))
    return found


def test_it_measures_a_network_on_this_machine(tmp_path: Path, capsys: Shown) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(artifacts.content())
    assert cli.invoke(["bench", str(path), *QUICK, "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert (table.pop("board"), table.pop("checks")) == (None, [])
    fastest = table.pop("fastest_threads")
    found = read_timings(json.dumps(table), "bench")
    assert found.fastest.threads == fastest
    assert [(each.threads, each.warm.runs) for each in found.results] == [(1, 5), (2, 5)]
    assert all(min(each.cold_seconds) > 0 and len(each.cold_seconds) == 3 for each in found.results)


def test_the_table_fits_eighty_columns(path: Path, capsys: Shown) -> None:
    assert cli.invoke(["bench", str(path), *QUICK, "--fps", "0.001", "--latency", "10 min"]) == 0
    shown = capsys.readouterr()
    place, *lines = shown.out.splitlines()
    assert place == str(path)
    assert max(map(len, lines)) <= 80
    (head,) = (line.split() for line in lines if "median" in line and "frames/s" in line)
    assert head[0] == "threads"
    text = " ".join(shown.out.split())
    assert "random int8 [1, 3]; 5 warm inferences" in text
    assert "a microcontroller has others" in text
    assert "fps >= 0.001: met, " in text
    assert "latency <= 600 s: met, " in text
    assert shown.err.splitlines()[-1] == "tinyc: exit 0 (bounds met)"


def test_a_missed_bound_is_exit_1(path: Path, capsys: Shown) -> None:
    other = measured(path)
    assert cli.invoke(["bench", str(path), "--import", str(other), "--fps", "51", "--latency", "33 ms"]) == 1
    shown = capsys.readouterr()
    assert "fps >= 51: missed, 50.0 frames/s with 2 threads" in shown.out
    assert "latency <= 33.0 ms: met, 20.0 ms with 2 threads" in shown.out
    assert shown.err.rstrip().endswith("tinyc: exit 1 (bound missed: fps)")
    assert cli.invoke(["bench", str(path), "--import", str(other), "--latency", "19 ms", "--json"]) == 1
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert (check["metric"], check["met"], check["why"]) == ("latency", False, "20.0 ms is not <= 19.0 ms")


def test_an_import_is_kept_as_evidence(path: Path, capsys: Shown) -> None:
    sha256 = timings.document(path.read_bytes())["sha256"]
    command = ["bench", str(path), "--import", str(measured(path))]
    assert cli.invoke(command) == 0
    assert evidence.latest(sha256, "raspberry-pi-4") is None
    assert cli.invoke([*command, "--board", "raspberry-pi-4"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "measured on Raspberry Pi 4 Model B Rev 1.4, Cortex-A72 (aarch64, 4 cores, Linux-6.1.21-v8+)" in shown
    assert "tflite-runtime 2.14.0, with XNNPACK" in shown
    assert "kept as a measurement of raspberry-pi-4" in shown
    assert not_none(evidence.latest(sha256, "raspberry-pi-4")).median == 0.02
    assert cli.invoke(["cache", "list", "--json"]) == 0
    assert [each["kind"] for each in json.loads(capsys.readouterr().out)] == ["measurements"]


def test_what_is_measured_here_is_kept_where_this_machine_is_a_board(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "ARCHITECTURES", {"cortex-a72": (platform.machine(),)})
    assert cli.invoke(["bench", str(path), *QUICK, "--board", "raspberry-pi-4"]) == 0
    found = not_none(evidence.latest(timings.document(path.read_bytes())["sha256"], "raspberry-pi-4"))
    assert found.p5 <= found.median <= found.p95
    assert (found.runs, found.threads in (1, 2)) == (5, True)


def packed_in_tables() -> bytes:
    content = few_values.content()
    return compact(content, gains(content))


def custom() -> bytes:
    return of_graphs(Graph([Plan((1, 4)), Plan((1, 4))], [0], [1], [("MY_OWN", (0,), (1,), None)]))


def open_side() -> bytes:
    tree = artifacts.opened(artifacts.by_hand())
    tree.subgraphs[0].tensors[0].shapeSignature = np.array([1, -1], np.int32)
    return tiny.pack(tree)


def open_shape() -> bytes:
    tree = artifacts.opened(artifacts.by_hand())
    tree.subgraphs[0].tensors[0].shape = np.array([1, -1], np.int32)
    return tiny.pack(tree)


def strings() -> bytes:
    return by_hand([Plan((1, 4), "STRING"), Plan((1, 4), "STRING")], [("RESHAPE", (0,), (1,))])


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "no tflite": (lambda: b"TFL3", "is not a TensorFlow Lite file"),
    "damaged": (lambda: artifacts.by_hand()[:200], "truncated or damaged"),
    "weight tables": (packed_in_tables, "nothing but TensorFlow Lite Micro decodes them"),
    "an open shape": (open_shape, "leaves its input's shape open"),
    "an open side": (open_side, "leaves the shape of an input open: [1, -1]"),
    "a custom operator": (custom, "the interpreter has no MY_OWN, which is op 0 MY_OWN"),
    "strings": (strings, "has an input of type string"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_measured_is_one_message(name: str, path: Path, capsys: Shown) -> None:
    make, said = FILES[name]
    path.write_bytes(make())
    assert cli.invoke(["bench", str(path), "--threads", "1"]) == 2
    shown = capsys.readouterr()
    assert said in " ".join(shown.err.split())
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert shown.err.rstrip().splitlines()[-1].startswith("tinyc: exit 2 (")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--threads", "0"], "'0' is not a list of whole numbers from 1 to 256"),
        (["--threads", "1,x"], "'1,x' is not a list"),
        (["--threads", "257"], "'257' is not a list"),
        (["--runs", "0"], "--runs"),
        (["--seed", "-1"], "--seed"),
        (["--inputs", "ones"], "--inputs"),
        (["--interpreter", "tflm"], "--interpreter"),
        (["--latency", "33"], "unknown unit '' in '33'"),
        (["--latency", "33 KiB"], "unknown unit 'KiB'"),
        (["--latency", "0 ms"], "not above 0"),
        (["--latency", "fast"], "is not a number with a unit"),
        (["--fps", "30 ms"], "'30 ms' is not a number of frames a second"),
        (["--fps", "0"], "above 0"),
        (["--fps", "nan"], "above 0"),
        (["--fps", "inf"], "above 0"),
        (["--board", "raspberry-pi-5"], "did you mean 'raspberry-pi-4'?"),
        (["--board", "arduino-nano-33-ble"], "does not run Linux"),
        (["--board", "raspberry-pi-4"], "has a cortex-a72, and this was measured on x86_64"),
        (["--import", "none.json"], "there is no such file"),
        (["--import", "measured.json", "--threads", "1"], "--threads is for measuring"),
        (["--import", "measured.json", "--seed", "0"], "--seed is for measuring"),
        (["--script", "bench.py"], "--script only writes the script"),
    ],
)
def test_options_that_cannot_be(
    words: list[str], said: str, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(timing, "run_script", lambda _: pytest.fail("something was measured before it was refused"))
    measured(path)
    assert cli.invoke(["bench", str(path), *words]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert not (path.parent / "bench.py").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"content": b"another artifact"}, "was measured with the sha256 "),
        ({"results": []}, "results: "),
        ({"more": 1}, "more: "),
    ],
)
def test_a_measurement_that_does_not_fit_is_not_kept(
    change: dict[str, Any], said: str, path: Path, own_cache: Path, capsys: Shown
) -> None:
    other = measured(path, **change)
    assert cli.invoke(["bench", str(path), "--import", str(other), "--board", "raspberry-pi-4"]) == 2
    assert said in capsys.readouterr().err
    assert not list(own_cache.iterdir())


def test_a_measurement_is_of_bounded_size(path: Path, capsys: Shown) -> None:
    other = measured(path)
    other.write_text(other.read_text() + " " * (1 << 20))
    assert cli.invoke(["bench", str(path), "--import", str(other)]) == 2
    assert "at most 1.0 MiB are read" in capsys.readouterr().err


def test_the_script_goes_from_here_to_a_board_and_back(path: Path, capsys: Shown) -> None:
    place = path.parent / "bench.py"
    for _ in range(2):  # the same again is no harm
        assert cli.invoke(["bench", "--script", str(place)]) == 0
        assert "python bench.py model.tflite > measured.json" in capsys.readouterr().out
    done = subprocess.run(
        [sys.executable, "-I", str(place), str(path), *QUICK], capture_output=True, text=True, check=True
    )
    other = path.with_name("measured.json")
    other.write_text(done.stdout)
    assert cli.invoke(["bench", str(path), "--import", str(other), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == json.loads(done.stdout)["results"]
    place.write_text("mine")
    assert cli.invoke(["bench", "--script", str(place)]) == 2
    assert place.read_text() == "mine"
    assert cli.invoke(["bench", "--script", str(path.parent / "none" / "bench.py")]) == 3
    assert "cannot be written" in capsys.readouterr().err
