"""The pass `compact`: smaller where tables pay, the same outputs, and every consequence said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support import artifacts, datasets, few_values
from support.optional import not_none

from tinyc import cli, measure
from tinyc.core.errors import UserError
from tinyc.data.dataset import Dataset
from tinyc.network.state import Flat
from tinyc.quantization.convert import calibrated
from tinyc.quantization.int4 import to_int4
from tinyc.spec.passes import apply
from tinyc.spec.passes.compact import Compact
from tinyc.spec.passes.export import Export
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.operators import tflm_only
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write import tables
from tinyc.tflite.write.pack import pack
from tinyc.tflite.write.strip import strip
from tinyc.tflite.write.table_writing import Table, write_tables


def compact(folder: Path, state: Flat | None = None, rehearse: Any = None, **keys: Any) -> Any:
    given = state or few_values.flat()
    return apply(Compact(use="compact", **keys), given, artifacts.context(folder, rehearse=rehearse))


@pytest.fixture(scope="module")
def pool():
    with Pool(1) as pool:
        yield pool


@pytest.fixture(scope="module")
def compacted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return compact(tmp_path_factory.mktemp("compact"))


def test_every_figure_is_the_files_own(compacted: Any) -> None:
    facts, state = compacted.facts, compacted.state
    stripped = strip(few_values.content())
    assert facts["file_bytes_before"] == len(few_values.content())
    assert facts["stripped_bytes"] == len(stripped)
    assert facts["file_bytes_after"] == len(state.content) < 0.7 * len(stripped)
    decoders = [op for op in describe(state.content).ops if op.name == "TFLM_DECODE"]
    assert facts["tables"] == len(facts["tensors"]) == len(decoders) >= 3
    layers = {each["layer"]: each for each in facts["tensors"]}
    assert layers["wide"] | {"before_bytes": 0, "after_bytes": 0} == {
        "layer": "wide", "op": "CONV_2D", "bits": 4, "values": 16, "table_per": "channel", "before_bytes": 0,
        "after_bytes": 0,
    }  # fmt: skip
    assert facts["arena_bytes_after"] > facts["arena_bytes_before"] > 0
    assert (facts["bit_exact"], facts["compared_examples"]) == (True, 40)
    assert "TFLM_DECODE; tested with tflite-micro" in facts["needs"]
    assert "tflite-runtime" in facts["no_longer_runs_on"]
    assert state.task == few_values.flat().task
    assert compacted.skipped == ()


def test_a_second_time_nothing_happens(compacted: Any, tmp_path: Path) -> None:
    again = compact(tmp_path, compacted.state)
    assert again.state == compacted.state
    assert f"holds {compacted.facts['tables']} tables already" in again.facts["why"]


def test_where_no_table_pays_the_artifact_stays(tmp_path: Path) -> None:
    outcome = compact(tmp_path, artifacts.flat())
    assert outcome.state == artifacts.flat()
    assert outcome.facts["tables"] == 0
    assert "`cluster`" in outcome.facts["why"]


def test_weights_of_four_bits_are_the_reason(tmp_path: Path) -> None:
    source = calibrated(artifacts.network(), artifacts.data().calibration.x, per_channel_dense=True)
    content = to_int4(artifacts.flat().content, source).content
    outcome = compact(tmp_path, replace(artifacts.flat(), content=content))
    assert "weights of four bits take none (" in outcome.facts["why"]
    assert "`cluster`" not in outcome.facts["why"]


def test_a_rehearsal_gives_the_same_file(compacted: Any, tmp_path: Path) -> None:
    rehearsed = compact(tmp_path, rehearse="lower")
    assert rehearsed.state == compacted.state
    assert rehearsed.facts["compared_examples"] == 4


def test_layers_are_chosen_by_name_and_kind(tmp_path: Path) -> None:
    only = compact(tmp_path, only=("wi*", "type:TRANSPOSE_CONV"))
    assert {each["layer"] for each in only.facts["tensors"]} == {"wide", "larger"}
    skip = compact(tmp_path, skip=("dense", "re:l.*r"))
    assert {each["layer"] for each in skip.facts["tensors"]}.isdisjoint({"dense", "larger"})
    with pytest.raises(UserError, match=r"(?s)'wid' matches no layer.*these are stem"):
        compact(tmp_path, skip=("wid",))


def test_a_bound_on_the_bits_leaves_wider_tables_out(tmp_path: Path) -> None:
    outcome = compact(tmp_path, bits_most=3)
    assert outcome.state == few_values.flat()
    assert "with indices of 4 bits or more; raise `bits_most`" in outcome.facts["why"]


@pytest.mark.parametrize("keys", [{"bits_most": 8}, {"bits_most": 0}, {"only": ()}, {"bits": 4}])
def test_bad_keys(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Compact(use="compact", **keys)


def test_a_table_that_changes_outputs_is_left_out_and_said(monkeypatch, tmp_path: Path, compacted: Any) -> None:
    honest = tables.compact

    def spoil(content: bytes, chosen: Any) -> bytes:
        made = honest(content, chosen)
        if not any(gain.op == "TRANSPOSE_CONV" for gain in chosen):
            return made
        model = artifacts.opened(made)
        place = next(gain.tensor for gain in chosen if gain.op == "TRANSPOSE_CONV")
        buffer = model.buffers[model.subgraphs[0].tensors[place].buffer]
        buffer.data = 255 - buffer.data
        return pack(model)

    monkeypatch.setattr("tinyc.tflite.write.proved.compact", spoil)
    outcome = compact(tmp_path)
    assert [(skip.layer, "other outputs" in skip.why) for skip in outcome.skipped] == [("larger", True)]
    assert "larger" not in {each["layer"] for each in outcome.facts["tensors"]}
    assert outcome.facts["tables"] == compacted.facts["tables"] - 1


def test_export_proves_it_under_tflm_and_says_what_a_firmware_needs(compacted: Any, tmp_path: Path) -> None:
    exported = apply(Export(use="export"), compacted.state, artifacts.context(tmp_path))
    assert exported.facts["written"] == "stripped"
    assert exported.facts["compared_under"] == ["tflm"]
    assert exported.state.content == compacted.state.content
    header = exported.files["model_data.h"].decode()
    assert "AddDecode()" in header
    assert "tested with tflite-micro" in header
    assert f"#define MODEL_OPERATORS {len({op.name for op in describe(exported.state.content).ops})}" in header
    assert f"#define MODEL_ARENA_BYTES {exported.facts['arena_bytes']}" in header
    plain = apply(Export(use="export"), few_values.flat(), artifacts.context(tmp_path))
    assert "AddDecode" not in plain.files["model_data.h"].decode()


def dataset() -> Dataset:
    x, y = artifacts.images()
    return datasets.undivided(artifacts.TASK, x[:30], y[:30])


def test_verify_holds_it_against_its_decoded_weights(compacted: Any, pool: Pool) -> None:
    found = measure.compare_runtimes(compacted.state, dataset(), pool)
    assert found["agreed"] is True
    assert found["differences"][0] | {"max_steps": 0, "examples": 0} == found["differences"][0]
    assert f"its {compacted.facts['tables']} weight tables decoded" in found["notes"][0]


def test_verify_sees_tables_that_tflm_reads_otherwise(pool: Pool) -> None:
    stripped = strip(few_values.content("parted"))
    described = describe(stripped)
    kernels = [described.tensors[op.inputs[1]] for op in described.ops if op.name == "FULLY_CONNECTED"]
    dense = next(kernel for kernel in kernels if kernel.stored_bytes > 10_000)
    found = measure.compare_runtimes(
        Flat(write_tables(stripped, {dense.index: Table(4, 0)}), artifacts.TASK), dataset(), pool
    )
    assert found["agreed"] is False
    assert "tflm against reference" in not_none(found["why"])


def test_a_state_in_the_middle_is_measured_under_tflm(compacted: Any, pool: Pool) -> None:
    measured = measure.measure_flat(compacted.state, dataset(), pool, "fast").ledger
    assert measured.runtime == "tflm"
    assert measured.arena_bytes == compacted.facts["arena_bytes_after"]
    assert measure.measure_flat(few_values.flat(), dataset(), pool, "fast").ledger.runtime == "tflite-runtime"


def test_without_tflm_its_weights_are_decoded_to_measure_it(compacted: Any, pool: Pool, monkeypatch) -> None:
    from tinyc.tflite.run import runtimes

    known = runtimes.package
    monkeypatch.setattr(runtimes, "package", lambda runtime: None if runtime == "tflm" else known(runtime))
    measured = measure.measure_flat(compacted.state, dataset(), pool, "tflm").ledger
    assert (measured.runtime, measured.arena_bytes) == ("tflite-runtime", None)
    assert measured.params == describe(few_values.content()).params


def test_the_commands_take_such_a_file(compacted: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "few.tflite"
    file.write_bytes(compacted.state.content)
    assert cli.invoke(["verify", str(file), "--examples", "3"]) == 0
    shown = capsys.readouterr().out
    assert "equal to the bit" in shown
    assert "weight tables decoded back into weights" in shown
    assert cli.invoke(["inspect", str(file)]) == 0
    assert "TFLM_DECODE" in capsys.readouterr().out
    np.save(tmp_path / "example.npy", artifacts.samples(1)[0])
    assert cli.invoke(["predict", str(file), str(tmp_path / "example.npy")]) == 0
    assert "10 numbers" in capsys.readouterr().out
    assert tflm_only(describe(compacted.state.content))
