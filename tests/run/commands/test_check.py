"""`tinyc check` says what is legal but probably not meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyc import cli
from tinyc.spec.metrics import bounded

RECIPE = """
name = "turned"
[source]
build = "models/resnet.py:resnet8"
train = { epochs = 1 }
[data]
name = "fashion-mnist"
[targets]
%s = "%s"
[[pass]]
use = "quantize"
"""
AMOUNT = {"count": "5", "bytes": "5 KiB", "fraction": "5 %", "pp": "5 pp", "seconds": "5 ms"}


@pytest.mark.parametrize("name", bounded())
def test_a_bound_that_a_worse_network_meets_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metric = bounded()[name]
    signs = ("<=", ">=") if metric.better == "less" else (">=", "<=")
    told = []
    for sign in signs:
        recipe = tmp_path / "turned.toml"
        recipe.write_text(RECIPE % (name, f"{sign} {AMOUNT[metric.unit]}"))
        assert cli.invoke(["check", str(recipe)]) == 0
        told.append(
            f"targets.{name}: '{sign} {AMOUNT[metric.unit]}' is met by a worse network" in capsys.readouterr().out
        )
    assert told == [False, True]


def test_expectations_of_a_pass_are_read_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "turned.toml"
    recipe.write_text(RECIPE % ("file", "<= 1 MiB") + 'expect = { accuracy_drop = ">= 2 pp" }\n')
    assert cli.invoke(["check", str(recipe)]) == 0
    assert "expect.accuracy_drop: '>= 2 pp' is met by a worse network; less of it is better" in capsys.readouterr().out
