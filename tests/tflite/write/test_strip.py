"""Packing and stripping: nothing lost, nothing written twice, outputs identical under three runtimes."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from support import artifacts

from tinyc.network import backend
from tinyc.network.float_tflite import to_float_tflite
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.qat import quantization_aware
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.pack import pack
from tinyc.tflite.write.strip import align, strip
from tinyc.tflite.write.verified import write_verified


@functools.cache
def mixed() -> bytes:
    """Depthwise and transposed convolution, slopes, sigmoid gate, concatenation, padding, pooling, softmax."""
    layers = backend.keras().layers
    backend.seed_everything(5)
    images = backend.keras().Input((14, 14, 1))
    x = layers.ZeroPadding2D(1)(layers.Conv2D(6, 3, bias_initializer="random_normal")(images))
    x = layers.PReLU(shared_axes=[1, 2])(layers.DepthwiseConv2D(3, bias_initializer="random_normal")(x))
    x = layers.Multiply()([x, layers.Conv2D(6, 1, activation="sigmoid")(x)])
    x = layers.Conv2DTranspose(4, 3, 2, "same", bias_initializer="random_normal")(x)
    x = layers.Concatenate()([layers.MaxPool2D()(x), layers.AveragePooling2D()(x)])
    x = layers.Dense(12, activation="relu", bias_initializer="random_normal")(layers.Flatten()(x))
    x = layers.Dense(10, activation="softmax", bias_initializer="random_normal")(x)
    return to_int8_tflite(backend.keras().Model(images, x), artifacts.samples())


@functools.cache
def trained() -> bytes:
    return to_int8_tflite(quantization_aware(artifacts.network(), artifacts.samples()).model, artifacts.samples())


FILES: dict[str, Callable[[], bytes]] = {
    "per channel": artifacts.content,
    "per tensor": lambda: artifacts.content(False),
    "qat": trained,
    "mixed": mixed,
    "by hand": artifacts.by_hand,
}


@pytest.fixture(scope="module")
def pool():
    with Pool(1) as pool:
        yield pool


@pytest.mark.parametrize("runtime", ["tflm", "reference", "fast"])
@pytest.mark.parametrize("kind", FILES)
def test_outputs_stay_identical(kind, runtime, pool):
    content = FILES[kind]()
    inputs = artifacts.samples(12)
    if kind == "by hand":
        inputs = np.random.default_rng(1).normal(size=(12, 3)).astype(np.float32)
    expected = pool.run(content, inputs, runtime)
    for rewrite in (strip, align):
        got = pool.run(rewrite(content), inputs, runtime)
        np.testing.assert_array_equal(got.raw, expected.raw)
        assert got.arena_bytes is None or got.arena_bytes <= expected.arena_bytes


@pytest.mark.parametrize("kind", FILES)
def test_what_is_left_counts_the_same_and_is_aligned(kind):
    content = FILES[kind]()
    stripped = strip(content)
    before, after = describe(content), describe(stripped)
    assert (after.params, after.nonzero_params, after.macs) == (before.params, before.nonzero_params, before.macs)
    assert [op.name for op in after.ops] == [op.name for op in before.ops]
    assert [tensor.shape for tensor in after.tensors] == [tensor.shape for tensor in before.tensors]
    assert all(not tensor.name for tensor in after.tensors)
    added = 16 if kind == "by hand" else 0  # its operator's code was in the new field alone
    assert len(stripped) < len(align(content)) <= len(content) + added
    for written in (stripped, align(content)):
        assert misaligned(written) == 0
        assert written[4:8] == b"TFL3"


def misaligned(content: bytes) -> int:
    """Count the buffers whose data does not begin at a multiple of 16."""
    model = schema().Model.GetRootAs(content, 0)
    tables = [model.Buffers(i) for i in range(model.BuffersLength())]
    return sum(table._tab.Vector(table._tab.Offset(4)) % 16 != 0 for table in tables if table.DataLength())


def test_the_converter_alone_does_not_align():
    assert misaligned(artifacts.content()) > 0


def test_stripping_again_changes_nothing():
    stripped = strip(artifacts.content())
    assert strip(stripped) == stripped
    assert strip(artifacts.content()) == stripped


def test_biases_keep_their_scale_only_where_a_kernel_reads_it():
    for per_channel, kept in ((True, 0), (False, 1)):
        described = describe(strip(artifacts.content(per_channel)))
        biases = [described.tensors[op.inputs[2]] for op in described.ops if len(op.inputs) == 3 and op.inputs[2] >= 0]
        assert len(biases) == 10
        assert sum(bool(bias.scales) for bias in biases) == kept


def test_all_other_scales_and_zero_points_stay():
    before, after = describe(mixed()), describe(strip(mixed()))
    for was, now in zip(before.tensors, after.tensors, strict=True):
        if now.scales:
            assert (now.scales, now.zero_points, now.axis) == (was.scales, was.zero_points, was.axis)
        else:
            assert was.dtype == "int32"


def test_metadata_stays_below_400_bytes_an_operator():
    described = describe(strip(to_int8_tflite(artifacts.network(15, 28), np.repeat(
        np.repeat(artifacts.samples(8), 2, axis=1), 2, axis=2))))  # fmt: skip
    assert 68_000 <= described.params <= 70_000
    assert described.file_bytes < 73 * 1024
    assert described.metadata_bytes < 400 * len(described.ops)


def test_other_metadata_stays():
    model = artifacts.opened(artifacts.content())
    model.buffers.append(schema().BufferT(data=np.arange(7, dtype=np.uint8)))
    model.metadata.append(schema().MetadataT(name=b"OfflineMemoryAllocation", buffer=len(model.buffers) - 1))
    kept = artifacts.opened(strip(pack(model)))
    assert [note.name for note in kept.metadata] == [b"OfflineMemoryAllocation"]
    assert kept.buffers[kept.metadata[0].buffer].data.tolist() == list(range(7))


def same(left, right) -> bool:
    """Compare two trees of schema objects field by field."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return np.array_equal(left, right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if hasattr(left, "__dict__") and hasattr(right, "__dict__"):
        return vars(left).keys() == vars(right).keys() and all(same(vars(left)[k], vars(right)[k]) for k in vars(left))
    return bool(left == right)


@pytest.mark.parametrize("kind", [*FILES, "float"])
def test_packing_loses_nothing(kind):
    content = to_float_tflite(artifacts.network()) if kind == "float" else FILES[kind]()
    packed = pack(artifacts.opened(content))
    assert same(artifacts.opened(packed), artifacts.opened(content))
    assert pack(artifacts.opened(packed)) == packed


def test_a_writing_that_changes_an_output_is_not_taken(monkeypatch, pool):
    def spoil(content: bytes) -> bytes:
        model = artifacts.opened(strip(content))
        model.buffers[1].data = 1 - model.buffers[1].data
        return pack(model)

    monkeypatch.setattr("tinyc.tflite.write.verified.strip", spoil)
    written = write_verified(mixed(), True, artifacts.samples(4), pool, lambda _: None)
    assert written.how == "aligned"
    assert written.content == align(mixed())
    assert written.rejected[0].startswith("stripped: ")
    assert written.runtimes == ("tflm", "reference")


def test_a_writing_that_a_runtime_refuses_is_not_taken(monkeypatch, pool):
    def cut(content: bytes) -> bytes:
        model = artifacts.opened(strip(content))
        for tensor in model.subgraphs[0].tensors:
            tensor.quantization = None
        return pack(model)

    monkeypatch.setattr("tinyc.tflite.write.verified.strip", cut)
    written = write_verified(artifacts.content(), True, artifacts.samples(4), pool, lambda _: None)
    assert written.how == "aligned"
    assert "refuses it" in written.rejected[0] or "differ" in written.rejected[0]
