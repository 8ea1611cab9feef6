"""Which Dense layers much firmware gets wrong, and that each runtime has one verdict."""

from __future__ import annotations

import numpy as np
import pytest
from support.tiny import Plan, by_hand

from tinyc.devices.runtime import Runtime
from tinyc.spec import device_files
from tinyc.tflite import dense_scales
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.write.pack import pack
from tinyc.tflite.write.tables import compact, gains


def dense(scales: int = 4, activations: str = "INT8", op: str = "FULLY_CONNECTED", values: int = 4) -> bytes:
    """One layer of four outputs by hand, with so many scales for its weights, of few values."""
    weights = np.random.default_rng(1).integers(-values // 2, values // 2, (4, 512), np.int8)
    plans = [Plan((1, 512), activations), Plan((4, 512), data=weights.tobytes()), Plan((1, 4), activations)]
    model = schema().ModelT.InitFromPackedBuf(by_hand(plans, [(op, (0, 1), (2,))]), 0)
    quantization = model.subgraphs[0].tensors[1].quantization
    quantization.scale = np.linspace(0.1, 0.5, scales, dtype=np.float32)
    quantization.zeroPoint = np.zeros(scales, np.int64)
    return pack(model)


@pytest.mark.parametrize("activations", ["INT8", "INT16"])
def test_a_scale_for_each_output_is_found_and_said(activations: str) -> None:
    described = describe(dense(activations=activations))
    assert dense_scales.layers(described) == ("op 0",)
    assert dense_scales.facts(described)["per_channel_dense"]["layers"] == ["op 0"]
    assert dense_scales.sentence(("op 0",)).startswith("FULLY_CONNECTED with a scale for each output (op 0): computed")
    assert "(a, b, c and 2 more)" in dense_scales.sentence(("a", "b", "c", "d", "e"))


@pytest.mark.parametrize(
    "content", [dense(scales=1), dense(activations="FLOAT32"), dense(op="BATCH_MATMUL")], ids=["one", "float", "other"]
)
def test_nothing_is_said_of_other_layers(content: bytes) -> None:
    described = describe(content)
    assert dense_scales.layers(described) == ()
    assert dense_scales.facts(described) == {}
    assert dense_scales.sentence(()) == ""


def test_weights_in_tables_are_seen_behind_the_decoder() -> None:
    content = dense()
    packed = compact(content, gains(content))
    assert [op.name for op in describe(packed).ops] == ["TFLM_DECODE", "FULLY_CONNECTED"]
    assert len(dense_scales.layers(describe(packed))) == 1


def test_each_runtime_is_named_once_with_its_verdict() -> None:
    listed = [each.name for each in dense_scales.FIRMWARE]
    assert len(set(listed)) == len(listed)
    wrong, refused, right = (dense_scales.names(each) for each in ("wrong", "refused", "right"))
    for name in ("Arduino_TensorFlowLite", "Chirale_TensorFlowLite", "tflm_cortexm", "TensorFlowLite_ESP32",
                 "Edge Impulse", "Zephyr 3.6"):  # fmt: skip
        assert name in wrong
    assert "Zephyr 3.7" in refused
    assert "tflm_esp32" in refused
    for name in ("27 September 2024", "4.1", "helia-rt"):
        assert name in right
    assert all(each in dense_scales.warning() for each in listed)


PORTS = {
    "Arduino_TensorFlowLite": "arduino-tensorflowlite", "Chirale_TensorFlowLite 2.0.0": "chirale",
    "tflm_cortexm": "tflm-cortexm", "Edge Impulse's SDK": "edge-impulse", "Zephyr 3.6's module": "zephyr-3.6",
    "Zephyr 3.7's module": "zephyr-3.7", "tflm_esp32 2.0.0": "tflm-esp32", "helia-rt": "helia-rt",
    "tflite-micro from 27 September 2024": "tflite-micro", "esp-tflite-micro from 1.3.4": "esp-tflite-micro",
    "Zephyr's module from 4.1": "zephyr-4.1", "pico-tflmicro from 26 December 2024": "pico-tflmicro",
}  # fmt: skip


@pytest.mark.parametrize("firmware", dense_scales.FIRMWARE, ids=lambda each: each.name)
def test_what_is_said_of_firmware_is_what_the_runtimes_say(firmware: dense_scales.Firmware) -> None:
    """Releases that are no longer current are of no runtime that a recipe could name."""
    if firmware.name in PORTS:
        runtime = device_files.known(Runtime, PORTS[firmware.name], "")
        assert runtime.per_channel_dense == firmware.verdict
    else:
        assert "before" in firmware.name or "from 28 May" in firmware.name or firmware.name in OTHERS


OTHERS = ("TensorFlowLite_ESP32", "esp-tflite-micro 1.3.1")
