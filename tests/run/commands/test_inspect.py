"""`tinyc inspect` on files of every kind: converted, hand-made, stripped, packed in tables, odd and damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from support import tiny
from support.tiny import Graph, Plan, by_hand, of_graphs

from tinyc import cli
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run import runtimes
from tinyc.tflite.write.strip import strip
from tinyc.tflite.write.tables import compact, gains

Shown = pytest.CaptureFixture[str]


def few_valued() -> bytes:
    """A dense layer of four values, so that tables at two bits hold it exactly."""
    weights = np.random.default_rng(1).choice(np.array([-9, 0, 4, 90], np.int8), (64, 64))
    plans = [Plan((1, 64)), Plan((64, 64), data=weights.tobytes()), Plan((1, 64))]
    return by_hand(plans, [("FULLY_CONNECTED", (0, 1), (2,))])


def written(folder: Path, content: bytes) -> Path:
    path = folder / "mine.tflite"
    path.write_bytes(content)
    return path


def table(path: Path, capsys: Shown) -> dict[str, Any]:
    assert cli.invoke(["inspect", str(path), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def text(path: Path, capsys: Shown, *more: str) -> str:
    assert cli.invoke(["inspect", str(path), *more]) == 0
    return capsys.readouterr().out


def saving(found: dict[str, Any], name: str) -> dict[str, Any]:
    (each,) = (each for each in found["savings"] if each["technique"].startswith(name))
    return dict(each)


def test_it_explains_every_byte(tmp_path: Path, capsys: Shown) -> None:
    content = tiny.mixed()
    found = table(written(tmp_path, content), capsys)
    assert sum(found["bytes_by_kind"].values()) == found["file_bytes"] == len(content)
    assert (
        sum(each["bytes"] for each in found["constants"] if each["role"] != "other constants") == found["weight_bytes"]
    )
    largest = found["constants"][0]
    assert (largest["layer"], largest["op"], largest["shape"]) == ("logits", "FULLY_CONNECTED", [5, 400])
    assert largest["share"] == pytest.approx(2000 / len(content))
    assert largest["values"]["elements"] == 2000
    assert found["lifetimes"]["peak_bytes"] <= found["arena_bytes"]
    assert found["tflm"] == "runs it"


def test_what_is_measured_is_what_the_techniques_do(tmp_path: Path, capsys: Shown) -> None:
    content = tiny.mixed()
    found = table(written(tmp_path, content), capsys)
    assert saving(found, "strip")["bytes_after"] == len(strip(content))
    assert saving(found, "gzip, ")["bytes_after"] == found["gzip_bytes"]
    assert not saving(found, "int4")["measured"]
    assert saving(table(written(tmp_path, strip(content)), capsys), "strip")["saved_bytes"] == 0
    exact = saving(table(written(tmp_path, few_valued()), capsys), "tables as it is (1 tensor, 2 bits)")
    assert exact["measured"]
    stripped = strip(few_valued())
    assert abs(exact["saved_bytes"] - (len(stripped) - len(compact(stripped, gains(stripped))))) < 100


def test_dense_layers_that_much_firmware_gets_wrong_are_named(tmp_path: Path, capsys: Shown) -> None:
    model = schema().ModelT.InitFromPackedBuf(few_valued(), 0)
    model.subgraphs[0].tensors[1].quantization.scale = np.linspace(0.1, 0.5, 64, dtype=np.float32)
    model.subgraphs[0].tensors[1].quantization.zeroPoint = np.zeros(64, np.int64)
    for content, said in ((tiny.pack(model), True), (few_valued(), False)):
        path = written(tmp_path, content)
        shown = text(path, capsys, "--html", str(tmp_path / "page.html"))
        words = " ".join(shown.split())
        for page in (words, (tmp_path / "page.html").read_text()):
            assert ("FULLY_CONNECTED with a scale for each output (op 0): computed wrong" in page) is said
            assert ("Zephyr 3.7" in page) is said
        assert max(map(len, shown.splitlines()[1:])) <= 80
        assert ("per_channel_dense" in table(path, capsys)) is said


def test_four_bits_are_offered_beside_int8_activations_alone(tmp_path: Path, capsys: Shown) -> None:
    weights = bytes(64 * 64)
    for activations, saved in (("INT8", 2048), ("INT16", 0)):
        plans = [Plan((1, 64), activations), Plan((64, 64), data=weights), Plan((1, 64), activations)]
        found = table(written(tmp_path, by_hand(plans, [("FULLY_CONNECTED", (0, 1), (2,))])), capsys)
        assert saving(found, "int4")["saved_bytes"] == saved


@pytest.mark.parametrize("options", [("--html", "mine.tflite"), ("--html", "a.html", "--picture", "a.html")])
def test_nothing_is_written_over_another_file_of_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown, options: tuple[str, ...]
) -> None:
    content = tiny.mixed()
    path = written(tmp_path, content)
    monkeypatch.chdir(tmp_path)
    assert cli.invoke(["inspect", str(path), *options]) == 2
    assert "another file of this call" in capsys.readouterr().err
    assert path.read_bytes() == content
    assert not (tmp_path / "a.html").exists()


def test_values_are_counted_behind_tables(tmp_path: Path, capsys: Shown) -> None:
    plain = table(written(tmp_path, few_valued()), capsys)["constants"][0]["values"]
    packed = table(written(tmp_path, compact(few_valued(), gains(few_valued()))), capsys)
    assert plain["distinct"] == 4
    assert packed["constants"][0]["values"] == plain
    assert packed["constants"][0]["shape"] == [64, 64]
    assert packed["bytes_by_kind"]["weight tables"] == packed["weight_bytes"]
    assert packed["tflm"] == "runs it"


@pytest.mark.parametrize("make", [tiny.mixed, tiny.mixed_float, tiny.with_gelu, few_valued])
def test_the_text_fits_eighty_columns(make: Any, tmp_path: Path, capsys: Shown) -> None:
    shown = text(written(tmp_path, make()), capsys).splitlines()
    path, *lines = shown
    assert path.endswith("mine.tflite")
    assert max(map(len, lines)) <= 80
    for heading in ("Bytes by kind", "Bytes by tensor", "What is left to take off", "Arena", "Operators"):
        assert any(line.startswith(heading) for line in lines), heading


def test_the_picture_names_the_peak(tmp_path: Path, capsys: Shown) -> None:
    path = written(tmp_path, tiny.mixed())
    shown = text(path, capsys, "--picture", str(tmp_path / "arena.svg"), "--html", str(tmp_path / "page.html"))
    found = table(path, capsys)["lifetimes"]
    assert f"{found['peak_bytes']:,} B at once" in shown
    assert f"^ peak: op {found['peak']}" in shown
    drawing = ElementTree.parse(tmp_path / "arena.svg").getroot()
    bars = [each for each in drawing.iter() if each.get("class") == "life"]
    assert len(bars) == len(found["lifetimes"])
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert f"At most {found['peak_bytes']:,} B" in page


def test_files_of_others_are_shown(tmp_path: Path, capsys: Shown) -> None:
    """An old converter's codes, no names, a dimension left open, a name that is HTML, and a second graph."""
    s = schema()
    tree = s.ModelT.InitFromPackedBuf(tiny.plain(), 0)
    tree.subgraphs.append(s.ModelT.InitFromPackedBuf(tiny.plain(), 0).subgraphs[0])
    for code in tree.operatorCodes:
        code.builtinCode = 0
    for graph in tree.subgraphs:
        for tensor in graph.tensors:
            tensor.name = b"<script>\x1b[31m"
        graph.tensors[graph.inputs[0]].shape = np.array([1, -1, 12, 2], np.int32)
    path = written(tmp_path, tiny.pack(tree))
    shown = text(path, capsys, "--html", str(tmp_path / "page.html"))
    assert "\x1b" not in shown
    assert "leaves its input's shape open" in " ".join(shown.split())
    assert "<script>" not in (tmp_path / "page.html").read_text()
    assert sum(table(path, capsys)["bytes_by_kind"].values()) == path.stat().st_size


def test_the_arena_of_a_file_of_two_inputs_is_measured(tmp_path: Path, capsys: Shown) -> None:
    plans = [Plan((1, 1600)), Plan((1, 1600)), Plan((1, 1600))]
    tree = schema().ModelT.InitFromPackedBuf(by_hand(plans, [("ADD", (0, 1), (2,))]), 0)
    tree.subgraphs[0].inputs = [0, 1]
    found = table(written(tmp_path, tiny.pack(tree)), capsys)
    assert found["tflm"] == "runs it"
    assert found["lifetimes"]["peak_bytes"] == 3 * 1600
    assert found["arena_bytes"] > 3 * 1600


@pytest.mark.parametrize("axis", [3, -1, 0, 9])
@pytest.mark.parametrize("scales", [[0.5, 0.25], [0.5], [0.5, 0.25, 0.125]])
def test_an_axis_without_meaning_does_not_matter(axis: int, scales: list[float], tmp_path: Path, capsys: Shown) -> None:
    """The biases of person detection, TFLM's own example, have the axis of the filter's channels, which they lack."""
    biases = np.array([5, 7], np.int32)
    plans = [Plan((1, 4)), Plan((2, 4), data=bytes(range(8))), Plan((2,), "INT32", data=biases.tobytes()), Plan((1, 2))]
    tree = schema().ModelT.InitFromPackedBuf(by_hand(plans, [("FULLY_CONNECTED", (0, 1, 2), (3,))]), 0)
    for place, points in ((1, [0] * len(scales)), (2, [5] * len(scales))):
        held = tree.subgraphs[0].tensors[place].quantization
        held.scale, held.zeroPoint, held.quantizedDimension = scales, points, axis
    path = written(tmp_path, tiny.pack(tree))
    text(path, capsys, "--html", str(tmp_path / "page.html"))
    found = table(path, capsys)
    (bias,) = (each for each in found["constants"] if each["role"] == "biases")
    assert bias["values"] == {"elements": 2, "distinct": 2, "zeros": 1, "per_channel": 1 if len(scales) == 2 else None}
    assert found["nonzero_params"] == 7 + 1


def odd(name: str) -> bytes:
    """Files that TFLM runs and that take no batch of one example."""
    ones = np.ones(3, np.float32).tobytes()
    if name == "scalar":
        plans = [Plan((), "FLOAT32"), Plan((3,), "FLOAT32", data=ones), Plan((3,), "FLOAT32")]
        return by_hand(plans, [("ADD", (0, 1), (2,))])
    if name == "four at once":
        return by_hand([Plan((4, 3)), Plan((2, 3), data=bytes(6)), Plan((4, 2))], [("FULLY_CONNECTED", (0, 1), (2,))])
    tree = schema().ModelT.InitFromPackedBuf(by_hand([Plan((1, 12))] * 3, [("ADD", (0, 1), (2,))]), 0)
    tree.subgraphs[0].inputs, tree.subgraphs[0].outputs = {
        "two inputs": ([0, 1], [2]), "two outputs": ([0], [2, 2]), "no input": ([], [2]),
    }[name]  # fmt: skip
    return tiny.pack(tree)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("scalar", "takes inputs of shape ()"), ("four at once", "takes inputs of shape (4, 3)"),
        ("two inputs", "has 2 inputs and 1 output"), ("two outputs", "has 1 input and 2 outputs"),
        ("no input", "has 0 inputs and 1 output"),
    ],
)  # fmt: skip
def test_what_tinyc_cannot_drive_is_said_as_that(name: str, why: str, tmp_path: Path, capsys: Shown) -> None:
    path = written(tmp_path, odd(name))
    found = table(path, capsys)
    assert (found["tflm"], found["undriven"]) == ("runs it", why)
    assert found["arena_bytes"] > 0
    shown = " ".join(text(path, capsys).split())
    assert f"TensorFlow Lite Micro runs it, but it {why}" in shown
    assert "does not run" not in shown


def test_an_operator_of_somebodys_own_is_named_and_leaves_no_figure(tmp_path: Path, capsys: Shown) -> None:
    constant = Plan((8,), data=bytes(range(8)))
    graph = Graph([Plan((1, 4)), constant, Plan((1, 4))], [0], [2], [("MY\x1b_OWN", (0, 1), (2,), None)])
    path = written(tmp_path, of_graphs(graph))
    found = table(path, capsys)
    assert (found["macs"], found["uncounted"], found["arena_bytes"]) == (None, ["MY\x1b_OWN"], None)
    assert "AddCustom" in found["tflm"]
    lines = text(path, capsys, "--html", str(tmp_path / "page.html"))
    shown = " ".join(lines.split())
    assert "MACs - (no count of the multiplications of MY" in shown
    assert "reads is not counted" in shown
    assert "does not run:" in shown
    assert "\x1b" not in lines
    assert "no count of the multiplications of MY" in (tmp_path / "page.html").read_text()


def test_macs_of_a_graph_that_never_runs_are_not_in_the_total(tmp_path: Path, capsys: Shown) -> None:
    plans = [Plan((1, 4)), Plan((2, 4), data=bytes(8)), Plan((1, 2))]
    graph = Graph(plans, [0], [2], [("FULLY_CONNECTED", (0, 1), (2,), None)])
    for graphs, said in (((graph,), False), ((graph, graph), True)):
        path = written(tmp_path, of_graphs(*graphs))
        shown = " ".join(text(path, capsys, "--html", str(tmp_path / "page.html")).split())
        assert "MACs 8 per inference" in shown
        assert ("of other signatures, are of one run and not in the total" in shown) is said
        assert ("not in the total" in (tmp_path / "page.html").read_text()) is said


def test_without_tflm_nothing_is_said_of_what_runs(
    tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(runtimes.PACKAGES, "tflm", ("no_such_package",))
    path = written(tmp_path, few_valued())
    shown = text(path, capsys)
    assert "  not measured:" in shown
    assert "does not run" not in shown
    assert table(path, capsys)["tflm"].startswith("not measured: ")


def test_files_of_nothing_are_shown(tmp_path: Path, capsys: Shown) -> None:
    """No operators, tensors without elements, no names, a buffer that is not there."""
    missing = schema().ModelT.InitFromPackedBuf(few_valued(), 0)
    missing.subgraphs[0].tensors[0].buffer = 77
    for content in (
        by_hand([Plan((1, 4)), Plan((1, 4))], []),
        by_hand([Plan((1, 0)), Plan((1, 0))], [("ABS", (0,), (1,))]),
        by_hand([Plan(()), Plan(())], [("ABS", (0,), (1,))]),
        tiny.pack(missing),
    ):
        path = written(tmp_path, content)
        text(path, capsys, "--html", str(tmp_path / "page.html"))
        assert sum(table(path, capsys)["bytes_by_kind"].values()) == len(content)


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: Shown) -> None:
    path = written(tmp_path, few_valued())
    assert cli.invoke(["inspect", str(path), "--html", str(tmp_path / "no" / "page.html")]) == 3
    assert "cannot be written" in capsys.readouterr().err


def test_damaged_files_keep_their_error(tmp_path: Path, capsys: Shown) -> None:
    path = written(tmp_path, tiny.mixed()[:900])
    assert cli.invoke(["inspect", str(path)]) == 2
    assert "is not a TensorFlow Lite file" in capsys.readouterr().err
