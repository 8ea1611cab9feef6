"""docs/add-a-pass.md: its code, put together as it says, is a pass of which no other file knows."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from support import pages, small

from tinyc import cli
from tinyc.spec import passes
from tinyc.spec.passes import Row

PAGE = pages.ROOT / "docs" / "add-a-pass.md"
PRUNE = '[[pass]]\nuse = "prune"'
RECIPE = small.RECIPE.replace(PRUNE, f'[[pass]]\nuse = "round_weights"\ndecimals = 2\n\n{PRUNE}', 1)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the page's blocks as modules, and put its row into the table."""
    schema, work, row = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    module: Any = types.ModuleType("tinyc.compression.rounding")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("from __future__ import annotations\n" + schema + work, module.__dict__)
    table: dict[str, Row] = eval(f"{{{row}}}", {"Row": Row, "RoundWeights": module.RoundWeights})
    for use, each in table.items():
        monkeypatch.setitem(passes.ROWS, use, each)
        monkeypatch.setitem(passes.PASSES, use, each.schema)


@pytest.mark.slow
@pytest.mark.usefixtures("added")
def test_the_pass_of_the_page_runs_and_is_known_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert RECIPE != small.RECIPE
    recipe = str(small.write(tmp_path, RECIPE))
    assert cli.invoke(["passes", "round_weights"]) == 0
    assert "decimals that stay" in capsys.readouterr().out
    assert cli.invoke(["check", recipe, "--set", "pass.round_weights.decimals=10"]) == 2
    assert "less than or equal to 9" in capsys.readouterr().err
    assert cli.invoke(["plan", recipe]) in (0, 1)
    assert "round_weights" in capsys.readouterr().out
    assert cli.invoke(["compress", recipe, "--out", str(tmp_path / "runs")]) in (0, 1)
    assert "round_weights" in capsys.readouterr().out
    assert '"largest_change"' in (tmp_path / "runs" / "small" / "report.json").read_text()
    assert re.search(r"\| share \| [\d.]+ % \|", (tmp_path / "runs" / "small" / "report.md").read_text())


@pytest.mark.usefixtures("added")
def test_its_effects_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clustered = f'[[pass]]\nuse = "cluster"\nclusters = 4\n\n[[pass]]\nuse = "round_weights"\n\n{PRUNE}'
    recipe = small.write(tmp_path, small.RECIPE.replace(PRUNE, clustered, 1))
    assert cli.invoke(["check", str(recipe)]) == 0
    assert "moves the values that cluster has made equal" in capsys.readouterr().out
