"""The public measurements: what is in the files, and what their schema refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from tinyc.devices import latency
from tinyc.devices.latency import measurements, read

MACS = {
    "ic": 12_501_632, "vww": 7_489_664, "kws": 2_656_768, "ad": 264_192, "sww": 826_368, "person": 7_157_888,
}  # fmt: skip


def test_the_networks_have_their_known_multiply_accumulates() -> None:
    assert {each.name: sum(layer.macs for layer in each.layers) for each in measurements().networks} == MACS


def test_every_figure_has_its_source_and_every_name_is_one() -> None:
    known = measurements()
    for sourced in (known.networks, known.setups, known.products, known.figures, known.flashes, (known.call,)):
        assert all("/" in each.source for each in sourced)
    for named in (known.networks, known.setups):
        names = [each.name for each in named]
        assert len(names) == len(set(names))


def test_what_does_not_count_says_why() -> None:
    setups = {setup.name: setup for setup in measurements().setups}
    assert not setups["nucleo-u575zi-x-cube-ai"].calibrates
    assert not setups["rp2350-float"].calibrates
    assert not setups["esp32-ansi"].calibrates
    assert setups["arduino-nano-33-ble"].calibrates
    assert "vww" in setups["arduino-nano-esp32"].ms
    assert "vww" not in setups["arduino-nano-esp32"].counted


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kws = 60.4 ", "kwz = 60.4 ", "'kwz', which is no network here"),
        ('where = { vww = "', 'where = { ad = "', "remarks on 'ad', which it was not measured with"),
        ("clock_mhz = 120.0", "clock_mhz = -120.0", "greater than 0"),
        ("clock_mhz = 120.0", "clock = 120.0", "Extra inputs are not permitted"),
    ],
)
def test_measurements_that_do_not_fit_are_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    shutil.copytree(latency.FOLDER, tmp_path / "latency")
    setups = tmp_path / "latency" / "setups.toml"
    text = setups.read_text()
    assert old in text
    setups.write_text(text.replace(old, new, 1))
    with pytest.raises(ValidationError, match=said):
        read(tmp_path / "latency")
