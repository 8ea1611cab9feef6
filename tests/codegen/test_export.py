"""The pass `export`: its keys, its files, and an artifact that still computes the same."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from intelhex import IntelHex
from pydantic import ValidationError
from support import artifacts, datasets, shipped

from tinyc.codegen.c_source import labels_bytes
from tinyc.core.errors import UserError
from tinyc.data.task import Task
from tinyc.data.tokens import SPECIAL, Tokenizer, from_vocabulary
from tinyc.network import backend
from tinyc.network.state import Flat
from tinyc.quantization.convert import to_int8_tflite
from tinyc.spec.passes import apply
from tinyc.spec.passes.export import Export
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.pool import Pool

BAD_KEYS = [
    ({"formats": []}, "at least 1 item"),
    ({"formats": ["tflite", "elf"]}, "'tflite', 'c' or 'hex'"),
    ({"formats": ["c", "c"]}, "names a format twice"),
    ({"formats": ["hex"], "base_address": 8}, "0x8 must be a multiple of 16"),
    ({"formats": ["hex"], "base_address": "0x100000000"}, "in 32 bits"),
    ({"formats": ["hex"], "base_address": -16}, "in 32 bits"),
    ({"formats": ["hex"], "base_address": "flash"}, "'flash' is not an address"),
    ({"formats": ["c"], "base_address": 16}, 'add "hex" to `formats`'),
    ({"vectors": -1}, "greater than or equal to 0"),
    ({"name": "my model"}, "should match pattern"),
]


@pytest.mark.parametrize(("keys", "message"), BAD_KEYS)
def test_bad_keys(keys, message):
    with pytest.raises(ValidationError, match=message):
        Export(use="export", **keys)


def export(folder, state=None, rehearse=None, **keys):
    return apply(Export(use="export", **keys), state or artifacts.flat(), artifacts.context(folder, rehearse=rehearse))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    return export(folder, formats=("tflite", "c", "hex"), base_address="0x08040000", vectors=3, name="shirts")


def test_every_file_with_its_hash(exported):
    assert list(exported.files) == [
        "model.tflite", "model_data.h", "model_data.cc", "test_vectors.h", "test_vectors.cc", "model.hex",
    ]  # fmt: skip
    for name, data in exported.files.items():
        assert exported.facts["files"][name] == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    content = exported.files["model.tflite"]
    assert exported.state.content == content
    image = IntelHex(io.StringIO(exported.files["model.hex"].decode("ascii")))
    assert (image.tobinstr(), image.minaddr()) == (content, 0x0804_0000)
    array = exported.files["model_data.cc"].decode().partition("] = {")[2].partition("};")[0]
    assert bytes(int(word, 16) for word in re.findall(r"0x\w\w", array)) == content


def test_stripped_and_compared(exported):
    facts, content = exported.facts, exported.state.content
    assert facts["written"] == "stripped"
    assert facts["compared_under"] == ["tflm", "reference"]
    assert facts["compared_examples"] == 40
    assert facts["bytes_saved"] == len(artifacts.content()) - len(content) > 3000
    assert exported.skipped == ()
    assert describe(content).params == describe(artifacts.content()).params


def test_labels_count_as_flash(exported):
    assert exported.state.tables == {"labels": labels_bytes(artifacts.TASK.classes)}
    header = exported.files["model_data.h"].decode()
    assert "#define SHIRTS_CLASSES 10" in header
    assert "g_shirts_labels" in header
    assert f"#define SHIRTS_ARENA_BYTES {exported.facts['arena_bytes']}" in header


def test_vectors_are_validation_images_and_what_tflm_gives(exported):
    numbers = [int(word) for word in re.findall(r"-?\d+(?=,)", exported.files["test_vectors.cc"].decode())]
    inputs = np.array(numbers[: 3 * 196], np.int8).reshape(3, 14, 14, 1)
    outputs = np.array(numbers[3 * 196 :], np.int8).reshape(3, 10)
    images = {(image.astype(np.int16) - 128).astype(np.int8).tobytes() for image in artifacts.data().validation.x}
    assert {example.tobytes() for example in inputs} <= images
    assert exported.facts["test_vectors"]["split"] == "validation"
    with Pool(1) as pool:
        run = pool.run(exported.state.content, (inputs + 128.0).astype(np.float32) / 255, "tflm")
    np.testing.assert_array_equal(run.raw, outputs)
    assert exported.facts["test_vectors"]["runtime"] == run.runtime


def test_the_same_again(exported, tmp_path):
    again = export(tmp_path, formats=("tflite", "c", "hex"), base_address=0x0804_0000, vectors=3, name="shirts")
    assert again.files == exported.files
    assert again.facts == exported.facts


def test_names_stay_where_asked(tmp_path):
    outcome = export(tmp_path, formats=("tflite",), strip=False)
    assert outcome.facts["written"] == "aligned"
    assert "logits" in {op.layer for op in describe(outcome.state.content).ops}
    assert outcome.state.tables == {}
    assert list(outcome.files) == ["model.tflite"]


def test_probabilities(tmp_path):
    outcome = export(tmp_path, formats=("tflite", "c"), softmax=True, vectors=0)
    assert outcome.state.softmax
    assert describe(outcome.state.content).ops[-1].name == "SOFTMAX"
    assert "probabilities" in outcome.files["model_data.h"].decode()
    assert "test_vectors.h" not in outcome.files
    again = export(tmp_path, outcome.state, formats=("tflite",), softmax=True)
    assert [op.name for op in describe(again.state.content).ops].count("SOFTMAX") == 1


def test_a_rehearsal_writes_the_same_bytes(exported, tmp_path):
    assert export(tmp_path, rehearse="upper", formats=("tflite",)).state.content == exported.state.content


def test_an_artifact_that_ends_beyond_32_bits(tmp_path):
    with pytest.raises(UserError, match="end beyond 32 bits"):
        export(tmp_path, formats=("hex",), base_address=0xFFFF_FFF0)


def test_without_interpreters_nothing_is_claimed(tmp_path, monkeypatch):
    monkeypatch.setattr("tinyc.tflite.run.runtimes.version", lambda runtime: None)
    outcome = export(tmp_path, formats=("tflite", "c"))
    assert outcome.facts["written"] == "as converted"
    assert outcome.facts["arena_bytes"] is None
    assert outcome.facts["test_vectors"] is None
    assert outcome.state.content == artifacts.content()
    assert [skipped.layer for skipped in outcome.skipped] == ["model.tflite"]
    assert "not measured" in outcome.files["model_data.h"].decode()
    assert "test_vectors.h" not in outcome.files


def test_without_tflm_the_reference_kernels_speak(tmp_path, monkeypatch):
    from tinyc.tflite.run import runtimes

    known = runtimes.version
    monkeypatch.setattr(runtimes, "version", lambda runtime: None if runtime == "tflm" else known(runtime))
    outcome = export(tmp_path, formats=("c",))
    assert outcome.facts["compared_under"] == ["reference"]
    assert outcome.facts["test_vectors"]["runtime"] == known("reference")
    assert outcome.facts["arena_bytes"] is None


SENTENCES = np.array(
    [
        "A warm, funny film about crème brûlée.", "It never comes together.", "Dull, dull, dull!", "Superb acting",
        "One of the best films of the year; see it.", "A mess from start to end.", "", "Ça va?",
    ],
    object,
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PROGRAM = """
#include <cstdio>
#include <cstring>
#include "test_vectors.h"
int main(int, char** texts) {
  for (int i = 0; i < MODEL_TEST_VECTORS; ++i) {
    int32_t ids[MODEL_TOKENS];
    model_tokenize(texts[i + 1], strlen(texts[i + 1]), ids);
    printf("%d ", memcmp(ids, g_model_test_inputs[i], sizeof ids));
  }
}
"""


@pytest.fixture(scope="module")
def text():
    """A transformer of one layer in int8, and the context of its sentences."""
    pieces = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), ",", ".", "!", "film", "##s", "dull", "it"]
    definition = from_vocabulary(list(dict.fromkeys(pieces)), True, "test")
    tokenizer = Tokenizer(definition, 10)
    task = Task(("bad", "good"), (10,), tokenizer=tokenizer)
    backend.seed_everything(5)
    size = len(tokenizer.vocabulary)
    model = shipped.bert().tiny_bert((10,), 2, vocabulary=size, width=8, depth=1, heads=2, inner=16)
    content = to_int8_tflite(model, tokenizer.encode(SENTENCES), per_channel_dense=False)
    return Flat(content, task), datasets.undivided(task, SENTENCES, np.arange(8) % 2).for_training()


def export_text(text, folder, **keys):
    flat, data = text
    return apply(Export(use="export", **keys), flat, replace(artifacts.context(folder), data=data))


def test_text_comes_with_its_tokenizer(text, tmp_path):
    outcome = export_text(text, tmp_path, vectors=8)
    names = ["model_data.h", "model_data.cc", "test_vectors.h", "test_vectors.cc"]
    assert list(outcome.files) == ["model.tflite", *names, "tokenizer.json", "tokenizer.h", "tokenizer.c"]
    assert outcome.files["tokenizer.json"].decode() == text[0].task.tokenizer.definition
    assert outcome.facts["written"] == "stripped"
    assert set(outcome.facts["files"]) == set(outcome.files)
    assert set(outcome.state.tables) == {"labels", "vocabulary", "tokenizer"}
    header = outcome.files["model_data.h"].decode()
    assert "#define MODEL_INPUT_TYPE int32_t" in header
    assert "#define MODEL_INPUT_SIZE 10\n" in header
    assert "INPUT_SCALE" not in header
    assert "PREPROCESS_SCALE" not in header
    assert '"good"' in outcome.files["model_data.cc"].decode()


def test_the_device_tokenizes_as_its_test_vectors_do(text, tmp_path):
    outcome = export_text(text, tmp_path, vectors=8)
    for name, data in outcome.files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "main.cc").write_text(PROGRAM)
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "main.cc", "test_vectors.cc", "model_data.cc"]
    subprocess.run([*command, "tokenizer.c", "-o", "program"], cwd=tmp_path, check=True)
    done = subprocess.run(["./program", *SENTENCES], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["0"] * 8


def test_without_c_the_tokenizer_takes_no_flash(text, tmp_path):
    outcome = export_text(text, tmp_path, formats=("tflite",))
    assert list(outcome.files) == ["model.tflite", "tokenizer.json"]
    assert outcome.state.tables == {}
