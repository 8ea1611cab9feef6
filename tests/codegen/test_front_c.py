"""The front in C, compiled with sanitizers: within one step of the network's input of what Python computes."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinyc.codegen.front_c import front_source
from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.data.signals.front import Front
from tinyc.data.signals.operations import Affine, Filter, Median, Project, Wavelet
from tinyc.data.task import Task
from tinyc.tflite.read.description import Tensor
from tinyc.tflite.read.quantization import quantize

STRICT = ("-Wall", "-Wextra", "-pedantic", "-Werror")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
COMPILERS = {"c": ("gcc", "-std=c99"), "cc": ("g++", "-std=c++17", "-x", "c++")}
TIME, CHANNELS = 37, 3
TURN = ((0.6, 0.8, 0.0), (0.0, 0.28, 0.96))
FRONTS = {
    "median": (Median(5),),
    "long median": (Median(37),),
    "haar": (Wavelet("haar", 3, "universal"),),
    "db4": (Wavelet("db4", 2, "bayes"),),
    "sym8 beyond the ends": (Wavelet("sym8", 3, "universal"),),
    "all": (
        Affine((0.5, 2.0, 1.0), (1.0, 0.0, -1.0)), Filter((0.1, 0.2, 0.4, 0.2, 0.2)), Median(3),
        Project((0.1, 0.2, 0.3), TURN), Wavelet("db2", 2, "bayes"), Median(3),
    ),
}  # fmt: skip
PROGRAM = """
#include <stdio.h>
#include "preprocess.h"
int main(void) {
  static float raw[MODEL_RAW_SIZE], work[MODEL_PREPROCESS_WORK];
  static TYPE input[MODEL_PREPROCESSED_SIZE];
  while (fread(raw, sizeof raw, 1, stdin) == 1) {
    model_preprocess(raw, input, work);
    fwrite(input, sizeof input, 1, stdout);
  }
  return 0;
}
"""


def task_of(operations):
    front = Front((TIME, 1, CHANNELS), operations)
    return Task(("a", "b"), front.output_shape, scale=0.5, offset=-0.25, front=front)


def tensor(dtype="int8", scale=0.05, zero_point=-7):
    quantized = dtype.startswith("int")
    ends = ((scale,), (zero_point,)) if quantized else ((), ())
    return Tensor(0, "input", (1, TIME, 1, CHANNELS), dtype, 0, 0, *ends)


def build(folder, task, held, compiler=COMPILERS["c"], type_="int8_t"):
    folder.mkdir(exist_ok=True)
    for name, content in front_source(task, held, "model").files.items():
        (folder / name).write_bytes(content)
    (folder / "main.c").write_text(PROGRAM.replace("TYPE", type_))
    command = [*compiler, *STRICT, *SANITIZED, "main.c", "preprocess.c", "-lm", "-o", "program"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "program"


def ran(program, x, dtype):
    given = np.ascontiguousarray(x, np.float32).tobytes()
    done = subprocess.run([program], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:3000]
    return np.frombuffer(done.stdout, dtype).reshape(len(x), -1)


def python(x, task):
    return task.front.apply(x * np.float32(task.scale) + np.float32(task.offset))


def examples(count, seed=0):
    """Noise, sines, steps, spikes, and windows in which nothing moves."""
    draw = np.random.default_rng(seed)
    t = np.arange(TIME)[:, None, None]
    x = 2 * draw.normal(size=(count, TIME, 1, CHANNELS))
    x[::2] = 3 * np.sin(t * draw.uniform(0.05, 3, (len(x[::2]), 1, 1, CHANNELS))) + 0.1 * x[::2]
    x[1::7, 20:] += 5
    x[2::7, 11] = 40
    x[3::7] = draw.normal(size=(len(x[3::7]), 1, 1, CHANNELS))
    return x.astype(np.float32)


@pytest.fixture(scope="module", params=FRONTS)
def compiled(request, tmp_path_factory):
    task = task_of(FRONTS[request.param])
    return build(tmp_path_factory.mktemp("front"), task, tensor()), task


def close(program, task, x):
    wanted = quantize(python(x, task), tensor()).reshape(len(x), -1).astype(int)
    found = ran(program, x, np.int8).astype(int)
    assert np.abs(found - wanted).max() <= 1
    return found, wanted


def test_windows(compiled):
    program, task = compiled
    found, wanted = close(program, task, examples(300))
    assert len(np.unique(wanted)) > 100
    assert (found != wanted).mean() < 0.01


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.0, 1e-3, 1.0, 100.0]), steps=st.booleans())
def test_any_windows(compiled, seed, size, steps):
    program, task = compiled
    x = size * np.random.default_rng(seed).normal(size=(20, TIME, 1, CHANNELS))
    close(program, task, np.round(x) if steps else x)


@pytest.mark.parametrize("compiler", COMPILERS.values(), ids=COMPILERS)
def test_floats_and_c_plus_plus(compiler, tmp_path):
    task = task_of(FRONTS["all"])
    program = build(tmp_path, task, tensor("float32"), compiler, "float")
    x = examples(50)
    np.testing.assert_allclose(ran(program, x, np.float32), python(x, task).reshape(50, -1), atol=2e-4)


def test_sixteen_bits(tmp_path):
    task = task_of(FRONTS["median"])
    held = tensor("int16", 1e-3, 0)
    x = examples(50)
    found = ran(build(tmp_path, task, held, type_="int16_t"), x, np.int16)
    np.testing.assert_allclose(found, quantize(python(x, task), held).reshape(50, -1), atol=1)


def test_tables_weigh_what_the_compiler_lays_down(tmp_path):
    source = front_source(task_of(FRONTS["all"]), tensor(), "model")
    for name, content in source.files.items():
        (tmp_path / name).write_bytes(content)
    subprocess.run([*COMPILERS["c"], *STRICT, "-c", "preprocess.c"], cwd=tmp_path, check=True)
    symbols = subprocess.run(["nm", "-S", "preprocess.o"], cwd=tmp_path, check=True, capture_output=True, text=True)
    sizes = [int(size, 16) for size in re.findall(r"\S+ (\S+) r g_\w+", symbols.stdout)]
    assert len(sizes) == 2 + 1 + 2 + 2
    assert source.tables == {"preprocess": sum(sizes)}
    wanted = subprocess.run(["nm", "-u", "preprocess.o"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert set(re.findall(r"U (\w+)", wanted.stdout)) <= {"sqrtf", "rintf", "__stack_chk_fail", "memcpy", "memset"}


def test_a_network_of_token_ids_has_no_front():
    with pytest.raises(UserError, match="takes int32, and its front gives numbers"):
        front_source(task_of(FRONTS["median"]), tensor("int32"), "model")


def test_no_front_no_files():
    assert not front_source(Task(("a",), (3,)), tensor(), "model").files


def test_channels_with_scales_of_their_own_are_equal_to_the_bit(tmp_path):
    """A median moves numbers and computes none, so that nothing but scale, offset and rounding is compared."""
    front = Front((TIME, 1, CHANNELS), (Median(3),))
    task = Task(("a", "b"), front.output_shape, scale=(3.3, 1 / 300, 333.3), offset=(-3.3, -3.31, 0.7), front=front)
    x = examples(200) * np.array([1, 300, 0.003], np.float32) + np.array([1, 1000, 0], np.float32)
    wanted = quantize(inputs(x, task), tensor()).reshape(len(x), -1)
    for name, compiler in COMPILERS.items():
        assert (ran(build(tmp_path / name, task, tensor(), compiler), x, np.int8) == wanted).all()
    assert len(np.unique(wanted)) > 200
    assert front_source(task, tensor(), "model").tables == {"preprocess": 6 * 4}
