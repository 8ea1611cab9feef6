"""C sources: golden text, and what a C and a C++ compiler make of them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import artifacts

from tinyc import __version__
from tinyc.codegen import c_source
from tinyc.codegen.c_source import Vectors
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.devices.board import Board
from tinyc.devices.runtime import Runtime
from tinyc.network.state import Flat
from tinyc.spec import device_files
from tinyc.spec.device import Device
from tinyc.tflite import dense_scales, on_device
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.quantization import quantize

GOLDEN = Path(__file__).parent / "golden"
LABELS = ("plain", 'a "quote" \\ ??/ why', "Zürich\n9", "日本")
STRICT = ("-Wall", "-Wextra", "-pedantic", "-Werror")
VECTORS = Vectors(np.arange(-6, 6, dtype=np.int8).reshape(4, 3), np.full((4, 1, 3), -128, np.int8), "TFLM 1.0")


def sources(arena_bytes: int | None = 1248, softmax: bool = True) -> dict[str, bytes]:
    flat = Flat(artifacts.by_hand(), Task(LABELS, (3,), scale=1 / 255, offset=-0.5), softmax=softmax)
    return c_source.model_data(flat, "hand", arena_bytes) | c_source.test_vectors(VECTORS, "hand")


@pytest.mark.parametrize("file", ["model_data.h", "model_data.cc", "test_vectors.h", "test_vectors.cc"])
def test_golden(file):
    expected = (GOLDEN / file).read_text(encoding="utf-8").replace("VERSION", __version__)
    assert sources()[file].decode() == expected


def test_vectors_of_a_network_with_state_say_where_each_starts():
    said = "start each from an interpreter that has run nothing, or was reset"
    kept = c_source.test_vectors(replace(VECTORS, keeps_state=True), "hand")["test_vectors.h"].decode()
    assert said in kept
    assert said not in sources()["test_vectors.h"].decode()


PROGRAM = """
#include <stdio.h>
#include "test_vectors.h"
int main(void) {
  const int shape[HAND_INPUT_RANK] = HAND_INPUT_SHAPE;
  HAND_INPUT_TYPE first = g_hand_test_inputs[0][0];
  fwrite(g_hand, 1, g_hand_bytes, stdout);
  for (int i = 0; i < HAND_CLASSES; ++i) printf("%s%c", g_hand_labels[i], 0);
  fprintf(stderr, "%d %d %d %d %d %.9g %d %.9g %d", shape[1], first, g_hand_test_outputs[3][2], HAND_TEST_VECTORS,
          (int)((size_t)g_hand % 16), (double)HAND_INPUT_SCALE, HAND_INPUT_ZERO_POINT, (double)HAND_PREPROCESS_SCALE,
          HAND_ARENA_BYTES);
  return 0;
}
"""


@pytest.mark.parametrize(("compiler", "file"), [(("g++", "-std=c++17"), "main.cc"), (("gcc", "-std=c99"), "main.c")])
def test_a_compiler_reads_the_same_bytes_back(compiler, file, tmp_path):
    for name, text in sources().items():
        (tmp_path / name).write_bytes(text)
    (tmp_path / file).write_text(PROGRAM)
    for name in ("model_data.cc", "test_vectors.cc"):
        subprocess.run(["g++", "-std=c++17", *STRICT, "-c", name], cwd=tmp_path, check=True)
    subprocess.run([*compiler, *STRICT, "-c", file, "-o", "main.o"], cwd=tmp_path, check=True)
    subprocess.run(["g++", "main.o", "model_data.o", "test_vectors.o", "-o", "program"], cwd=tmp_path, check=True)
    done = subprocess.run(["./program"], cwd=tmp_path, check=True, capture_output=True)
    content = artifacts.by_hand()
    assert done.stdout[: len(content)] == content
    assert done.stdout[len(content) :].split(b"\0")[:-1] == [label.encode() for label in LABELS]
    fields = done.stderr.decode().split()
    assert fields[:5] == ["3", "-6", "-128", "4", "0"]
    assert np.float32(fields[5]) == np.float32(0.25)
    assert np.float32(fields[7]) == np.float32(1 / 255)
    assert (fields[6], fields[8]) == ("3", "1248")


def test_an_unmeasured_arena_is_said():
    header = sources(arena_bytes=None)["model_data.h"].decode()
    assert "HAND_ARENA_BYTES" not in header
    assert "not measured" in header


def test_labels_weigh_what_the_table_holds():
    assert c_source.labels_bytes(("ab", "ü")) == (2 + 1 + 4) + (2 + 1 + 4)


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1.0f"), (0.0, "0.0f"), (-0.5, "-0.5f"), (1e-9, "1e-09f"), (1 / 255, "0.003921569f")]
)
def test_numbers_read_back_as_the_same_float(value, text):
    assert c_source.number(value) == text
    assert np.float32(text.rstrip("f")) == np.float32(value)


def test_the_header_says_which_firmware_gets_dense_layers_wrong(tmp_path):
    headers = {
        apart: c_source.model_data(Flat(artifacts.content(apart), artifacts.TASK), "net", 1234)["model_data.h"]
        for apart in (True, False)
    }
    said = headers[True].decode()
    assert "/* Dense layers: 1 FULLY_CONNECTED with a scale for each output: computed wrong" in said
    assert all(each.name in " ".join(said.split()) for each in dense_scales.FIRMWARE)
    assert max(map(len, said.splitlines())) <= 120
    assert "Dense layers" not in headers[False].decode()
    (tmp_path / "net.h").write_bytes(headers[True])
    subprocess.run(["gcc", "-std=c99", *STRICT, "-fsyntax-only", "-x", "c", "net.h"], cwd=tmp_path, check=True)


COLUMNS = """
#include <math.h>
#include <stdio.h>
#include "model_data.h"
int main(void) {
  static const float scale[] = HAND_PREPROCESS_SCALE, offset[] = HAND_PREPROCESS_OFFSET;
  float raw[HAND_INPUT_SIZE];
  while (fread(raw, sizeof raw, 1, stdin) == 1) {
    for (int i = 0; i < HAND_INPUT_SIZE; ++i) {
      const int c = i % HAND_PREPROCESS_CHANNELS;
      const float q = rintf((raw[i] * scale[c] + offset[c]) / HAND_INPUT_SCALE) + HAND_INPUT_ZERO_POINT;
      printf("%d ", (int)(q < -128 ? -128 : q > 127 ? 127 : q));
    }
  }
  return 0;
}
"""


@pytest.mark.parametrize(("compiler", "file"), [(("g++", "-std=c++17"), "main.cc"), (("gcc", "-std=c99"), "main.c")])
def test_rows_of_columns_in_other_units_are_quantized_as_here(compiler, file, tmp_path):
    """The header's formula, compiled, on rows of a file: equal to Python's inputs and quantizer to the bit."""
    task = Task(LABELS, (3,), scale=(3.3, 1 / 300, 333.3), offset=(-3.3, -3.31, -1e-7))
    flat = Flat(artifacts.by_hand(), task)
    draw = np.random.default_rng(0)
    rows = np.stack([draw.normal(1, 0.3, 500), draw.normal(1000, 300, 500), draw.normal(0.01, 0.003, 500)], 1)
    rows = rows.round(5).astype(np.float32)
    (tmp_path / file).write_text(COLUMNS)
    (tmp_path / "model_data.h").write_bytes(c_source.model_data(flat, "hand", None)["model_data.h"])
    subprocess.run([*compiler, *STRICT, file, "-lm", "-o", "program"], cwd=tmp_path, check=True)
    done = subprocess.run(["./program"], cwd=tmp_path, check=True, capture_output=True, input=rows.tobytes())
    found = np.array(done.stdout.split(), int).reshape(rows.shape)
    wanted = quantize(inputs(rows, task), describe(flat.content).inputs[0])
    assert (found == wanted).all()
    assert min(len(np.unique(column)) for column in wanted.T) > 10


def test_one_scale_for_each_column_counts_in_flash():
    assert c_source.scaling_bytes(Task(LABELS, (3,), scale=(1.0, 2.0, 3.0))) == 24
    assert c_source.scaling_bytes(Task(LABELS, (3,), scale=0.5)) == 0


def device(runtime: str, board: str | None = "arduino-nano-33-ble") -> Device:
    named = None if board is None else device_files.known(Board, board, "")
    return Device(device_files.known(Runtime, runtime, ""), named)


def test_the_header_has_the_arena_of_the_host_and_that_of_the_device(tmp_path):
    flat = Flat(artifacts.content(), artifacts.TASK)
    found = device("chirale")
    scratch = on_device.scratch_of(describe(flat.content), found).bytes
    assert scratch > 0
    header = c_source.model_data(flat, "net", 6000, found)["model_data.h"]
    said = header.decode()
    assert "#define NET_ARENA_HOST_BYTES 6000\n" in said
    assert f"#define NET_ARENA_BYTES {6000 + scratch}\n" in said
    assert found.runtime.title in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 120
    (tmp_path / "net.h").write_bytes(header)
    subprocess.run(["gcc", "-std=c99", *STRICT, "-fsyntax-only", "-x", "c", "net.h"], cwd=tmp_path, check=True)


def test_without_a_measurement_nothing_is_said_of_the_device():
    header = c_source.model_data(Flat(artifacts.content(), artifacts.TASK), "net", None, device("chirale"))
    assert "not measured" in header["model_data.h"].decode()
    assert "ARENA_BYTES" not in header["model_data.h"].decode()
