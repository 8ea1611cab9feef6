"""Exports under the readers that firmware people use: nothing that `strip` drops is missed by any of them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import artifacts, few_values, shipped, stateful

from tinyc.core.quiet import hushed
from tinyc.network import backend
from tinyc.quantization.convert import to_int8_tflite
from tinyc.tflite.read.operators import TABLE_DECODER
from tinyc.tflite.read.schema import schema
from tinyc.tflite.write.pack import pack
from tinyc.tflite.write.softmax import append_softmax
from tinyc.tflite.write.strip import align, strip
from tinyc.tflite.write.tables import compact, gains

TESTS = Path(__file__).parents[1]
TOKENS, PIECES = 12, 24


def transformer() -> bytes:
    backend.seed_everything(3)
    model = shipped.bert().tiny_bert((TOKENS,), 2, PIECES, 16, depth=1, inner=32)
    ids = np.random.default_rng(1).integers(0, PIECES, (16, TOKENS)).astype(np.int32)
    return to_int8_tflite(model, ids, per_channel_dense=False)


def lstm() -> bytes:
    """An LSTM in int8 as one operator, which the converter makes of a SavedModel of batch 1."""
    tf, keras = backend.tensorflow(), backend.keras()
    backend.seed_everything(1)
    windows = keras.Input((8, 3))
    model = keras.Model(windows, keras.layers.Dense(4)(keras.layers.LSTM(6)(windows)))
    function = tf.function(model).get_concrete_function(tf.TensorSpec((1, 8, 3), tf.float32))
    samples = np.random.default_rng(0).normal(size=(20, 1, 8, 3)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder, hushed():
        tf.saved_model.save(model, folder, signatures=function)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample] for sample in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def old() -> bytes:
    """A file as old converters wrote it, with the code in the old field alone."""
    model = artifacts.opened(artifacts.content())
    for code in model.operatorCodes:
        code.builtinCode = 0
    return pack(model)


FILES: dict[str, Callable[[], bytes]] = {
    "convolutions": artifacts.content,
    "scale a layer": lambda: artifacts.content(False),
    "probabilities": lambda: append_softmax(artifacts.content()),
    "old converter": old,
    "transformer": transformer,
    "lstm": lstm,
    "svdf": stateful.svdf_int8,
    "variable": stateful.variable,
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All files, as they were and as they are exported, under all readers in one process."""
    folder = tmp_path_factory.mktemp("exports")
    for name, made in FILES.items():
        content = made()
        for how, rewrite in (("was", bytes), ("strip", strip), ("align", align)):
            (folder / f"{name} {how}.tflite").write_bytes(rewrite(content))
    stripped = strip(few_values.content())
    (folder / "tables.tflite").write_bytes(
        compact(stripped, [each for each in gains(stripped) if each.saved_bytes > 16])
    )
    done = subprocess.run(
        [sys.executable, str(TESTS / "support" / "readers.py"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return read


@pytest.mark.parametrize("how", ["strip", "align"])
@pytest.mark.parametrize("name", FILES)
def test_every_reader_makes_of_an_export_what_it_made_of_the_file(found: dict[str, Any], name: str, how: str) -> None:
    was, now = found[f"{name} was"], found[f"{name} {how}"]
    if name == "old converter":
        was = was | {"tflite": found["convolutions was"]["tflite"]}  # which this reader mistakes for ADD alone
    assert now == was
    assert isinstance(was["commands"], list)
    assert len(was["litert"]) == 64


def test_the_readers_know_what_is_in_the_files(found: dict[str, Any]) -> None:
    (names,) = found["convolutions strip"]["tflite"]
    assert names[:2] == ["CONV_2D", "CONV_2D"]
    assert names[-1] == "FULLY_CONNECTED"
    assert found["lstm strip"]["tflite"] == [["UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "FULLY_CONNECTED"]]
    assert found["variable strip"]["tflite"][1] == ["VAR_HANDLE", "ASSIGN_VARIABLE"]
    assert found["convolutions strip"]["commands"][0][0] == "ethos-u"


def test_tables_are_read_and_named_where_they_cannot_be_run(found: dict[str, Any]) -> None:
    (names,) = found["tables"]["tflite"]
    assert names.count(TABLE_DECODER) > 2
    assert "CONV_2D" in names
    assert "ADD" not in names
    assert found["tables"]["vela"].count("Custom") == names.count(TABLE_DECODER)
    assert f"unresolved custom op: {TABLE_DECODER}" in found["tables"]["litert"]


@pytest.mark.parametrize("rewrite", [strip, align])
def test_both_fields_hold_an_operators_code(rewrite: Any) -> None:
    """The old field is a signed byte: 127 stands for all that is in the new one alone."""
    codes = schema().BuiltinOperator
    for content in (artifacts.content(), old(), stateful.variable()):
        for code in artifacts.opened(rewrite(content)).operatorCodes:
            assert code.builtinCode != codes.ADD or code.deprecatedBuiltinCode == codes.ADD
            assert code.deprecatedBuiltinCode == min(code.builtinCode, codes.PLACEHOLDER_FOR_GREATER_OP_CODES)
