"""Every byte of a file is counted once, under the kind that a change of that kind moves."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from support import tiny
from support.tiny import Graph, Plan, by_hand, of_graphs, options

from tinyc.core.errors import UserError
from tinyc.report.kilobytes import SHOWN
from tinyc.tflite.read.anatomy import anatomy
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.layout import KINDS, LAYOUT, NO_REFERENCES
from tinyc.tflite.read.schema import schema
from tinyc.tflite.write.strip import strip


def kinds(content: bytes) -> dict[str, int]:
    found = anatomy(content, describe(content))
    assert sum(found.values()) == len(content)
    return found


def changed(content: bytes, change: Any) -> bytes:
    tree = schema().ModelT.InitFromPackedBuf(content, 0)
    change(tree)
    return tiny.pack(tree)


def test_the_kinds_add_up_and_agree_with_the_description() -> None:
    for content in (tiny.mixed(), tiny.mixed_float(), tiny.with_gelu(), strip(tiny.mixed())):
        found, described = kinds(content), describe(content)
        assert sum(found.get(kind, 0) for kind in ("weights", "weight tables", "biases")) == described.weight_bytes
        assert "unknown" not in found
        assert found["alignment padding"] < 500


def test_biases_and_weights_are_told_apart() -> None:
    biases = 4 + 4 + 4 + 5
    found = kinds(tiny.mixed())
    assert found["biases"] == 4 * biases
    assert found["weights"] == describe(tiny.mixed()).params - biases


def test_a_stripped_file_has_no_names_and_notes() -> None:
    before, after = kinds(tiny.mixed()), kinds(strip(tiny.mixed()))
    assert {"names", "metadata", "description"} <= set(before)
    assert not {"names", "metadata", "description", "signatures", "calibrated ranges"} & set(after)
    assert after["weights"] == before["weights"]


def name_tensors(tree: Any) -> None:
    for tensor in tree.subgraphs[0].tensors:
        tensor.name = b"n" * 400


def add_ranges(tree: Any) -> None:
    for place, tensor in enumerate(tree.subgraphs[0].tensors):
        tensor.quantization = tensor.quantization or schema().QuantizationParametersT()
        tensor.quantization.min = np.full(100, place, np.float32)


def describe_it(tree: Any) -> None:
    tree.description = b"d" * 400


def add_signature(tree: Any) -> None:
    tree.signatureDefs = [schema().SignatureDefT()]
    tree.signatureDefs[0].signatureKey = b"s" * 400


def add_metadata(tree: Any) -> None:
    note = schema().MetadataT()
    note.name, note.buffer = b"mine", len(tree.buffers)
    tree.metadata = [note]
    tree.buffers.append(schema().BufferT(data=np.full(400, 7, np.uint8)))


def add_unread(tree: Any) -> None:
    tree.buffers.append(schema().BufferT(data=np.full(400, 7, np.uint8)))


def add_options(tree: Any) -> None:
    tree.subgraphs[0].operators[0].customOptions = np.full(400, 7, np.uint8)


@pytest.mark.parametrize(
    ("kind", "change", "least"),
    [
        ("names", name_tensors, 3 * 400), ("calibrated ranges", add_ranges, 3 * 400), ("description", describe_it, 400),
        ("signatures", add_signature, 400), ("metadata", add_metadata, 400), ("unread buffers", add_unread, 400),
        ("operators and options", add_options, 400),
    ],
)  # fmt: skip
def test_what_is_added_is_counted_under_its_kind(kind: str, change: Any, least: int) -> None:
    plans = [Plan((1, 4)), Plan((2, 4), data=bytes(range(8))), Plan((1, 2))]
    content = by_hand(plans, [("FULLY_CONNECTED", (0, 1), (2,))])
    before, after = kinds(content), kinds(changed(content, change))
    assert after.get(kind, 0) - before.get(kind, 0) >= least
    others = {name: size for name, size in after.items() if name != kind}
    assert sum(others.values()) < sum(before.values()) + 120


class Recorder:
    """A flatbuffer builder that only notes what it is asked to write."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self.asked.append((name, given)) or 0


def references(table: str) -> dict[int, int | None]:
    """Read off the schema's own writers which fields refer to something; the width of a vector's elements."""
    writers, found = vars(schema()), {}
    for name, write in writers.items():
        if not name.startswith(f"{table}Add"):
            continue
        noted, field = Recorder(), name.removeprefix(f"{table}Add")
        write(noted, 0)
        ((how, (slot, *_)),) = noted.asked
        if "UOffset" in how:
            begin, vector = Recorder(), writers.get(f"{table}Start{field}Vector")
            if vector:
                vector(begin, 0)
            found[slot] = begin.asked[0][1][0] if vector else None
    return found


def test_every_reference_of_the_schema_is_followed() -> None:
    tables = [name.removesuffix("Start") for name in vars(schema()) if name.endswith("Start")]
    assert "Model" in tables
    for name in tables:
        wanted, parts = references(name), LAYOUT.get(name, NO_REFERENCES)[1]
        if name == "Buffer":  # whose data belong to what reads them
            continue
        assert set(wanted) <= set(parts), name
        for slot, width in wanted.items():
            followed = parts[slot].how
            assert (parts[slot].width if followed == "numbers" else None if followed != "tables" else 4) == width


def test_every_kind_is_shown_in_the_reports() -> None:
    assert set(KINDS) == {kind for group in SHOWN.values() for kind in group} - {
        "float weights and biases", "all but weights",
    }  # fmt: skip


def zipped(content: bytes, entries: dict[str, str]) -> bytes:
    """Put files behind a .tflite as TensorFlow Lite's metadata tools do."""
    held = io.BytesIO(content)
    with zipfile.ZipFile(held, "a") as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return held.getvalue()


def test_associated_files_are_a_kind_of_their_own() -> None:
    content = tiny.mixed()
    whole = zipped(content, {"labels.txt": "cat\ndog\n" * 90, "vocab.txt": "the\n"})
    assert kinds(whole) == {**kinds(content), "associated files": len(whole) - len(content)}
    beside = io.BytesIO()
    with zipfile.ZipFile(beside, "w") as archive:
        archive.writestr("labels.txt", "cat")
    joined = content + beside.getvalue()  # as `cat` joins them: its own offsets begin at 0
    assert kinds(joined)["associated files"] == len(beside.getvalue())


def test_names_of_variables_and_options_are_known() -> None:
    named = options("VarHandleOptions", container=b"c" * 40, sharedName=b"memory" * 20)
    lists = options("StablehloConvolutionOptions", windowStrides=[1] * 30, windowReversal=[True] * 30)
    call = options("StablehloCustomCallOptions", callTargetName=b"t" * 99, calledComputations=[0] * 30)
    ops = [("VAR_HANDLE", (), (1,), named), ("STABLEHLO_CONVOLUTION", (0, 0), (1,), lists),
           ("STABLEHLO_CUSTOM_CALL", (0,), (1,), call)]  # fmt: skip
    found = kinds(of_graphs(Graph([Plan((1, 4)), Plan((1, 4))], [0], [1], ops)))
    assert "unknown" not in found
    assert found["operators and options"] > 40 + 120 + 30 * 8 + 30 + 99 + 30 * 4


def test_buffers_and_options_behind_the_flatbuffer_are_known() -> None:
    """Files over 2 GiB keep them there; the offsets are from the start of the file."""
    plans = [Plan((1, 4)), Plan((2, 4), data=bytes(range(1, 9))), Plan((1, 2))]
    tree = schema().ModelT.InitFromPackedBuf(by_hand(plans, [("FULLY_CONNECTED", (0, 1), (2,))]), 0)
    tree.buffers[1].data, tree.buffers[1].offset, tree.buffers[1].size = None, 1 << 20, 8
    op = tree.subgraphs[0].operators[0]
    op.largeCustomOptionsOffset, op.largeCustomOptionsSize = 1 << 20, 40
    start = -(-len(tiny.pack(tree)) // 16) * 16
    tree.buffers[1].offset, op.largeCustomOptionsOffset = start, start + 16
    content = tiny.pack(tree).ljust(start, b"\0") + bytes(range(1, 9)) + bytes(8) + b"o" * 40
    described, found = describe(content), kinds(content)
    assert (described.params, described.weight_bytes, found["weights"]) == (8, 8, 8)
    assert "unknown" not in found


def test_weights_in_another_file_are_refused_by_name() -> None:
    plans = [Plan((1, 4)), Plan((2, 4), data=bytes(8)), Plan((1, 2))]
    content = by_hand(plans, [("FULLY_CONNECTED", (0, 1), (2,))])
    with pytest.raises(UserError, match=r"mine: keeps the values of tensor 1 'elsewhere' in another file"):
        describe(changed(content, put_elsewhere), "mine")


def put_elsewhere(tree: Any) -> None:
    tensor = tree.subgraphs[0].tensors[1]
    tensor.name, tensor.buffer, tensor.externalBuffer = b"elsewhere", 0, 1


def test_bytes_that_nothing_refers_to_are_unknown() -> None:
    content = tiny.mixed()
    found = anatomy(content + b"x" * 100, describe(content + b"x" * 100))
    assert found["unknown"] == 100


def test_a_reference_out_of_the_file_is_an_error_of_the_file() -> None:
    random = np.random.default_rng(2)
    refused = 0
    for _ in range(200):
        damaged = bytearray(tiny.mixed())
        for place in random.integers(0, len(damaged), 8):
            damaged[place] = random.integers(256)
        try:
            described = describe(bytes(damaged))
            assert sum(anatomy(bytes(damaged), described, "mine").values()) == len(damaged)
        except UserError:
            refused += 1
    assert 0 < refused < 200
