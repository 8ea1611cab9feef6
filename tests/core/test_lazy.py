"""The bridge from a row to its work: a missing extra is said with how to install it, any other failure stays itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyc.core import lazy
from tinyc.core.errors import MachineError


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_missing_extra_is_named(work: Path) -> None:
    (work / "needs_one.py").write_text("import no_such_library.part")
    with pytest.raises(MachineError) as caught:
        lazy.load("needs_one:work", "signal", "preprocess")
    assert caught.value.where == "preprocess"
    assert "no_such_library" in caught.value.problem
    assert caught.value.remedy == 'pip install "tinyc[signal]"'


@pytest.mark.parametrize(
    ("name", "text"), [("one_of_ours", "import tinyc.no_such_module"), ("plain", "import no_such_library")]
)
def test_a_bug_is_no_missing_extra(work: Path, name: str, text: str) -> None:
    (work / f"{name}.py").write_text(text)
    with pytest.raises(ModuleNotFoundError):
        lazy.load(f"{name}:work", "signal" if name == "one_of_ours" else None, "preprocess")


def test_what_is_named_is_given(work: Path) -> None:
    (work / "is_here.py").write_text("def deed(): return 7")
    assert lazy.load("is_here:deed", None, "x")() == 7
