"""Passes compose: a legal order runs, an illegal one is refused, and docs/orders.md says which is which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import composition, small

from tinyc.core.errors import UserError


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], composition.Found]:
    return composition.explore(tmp_path_factory.mktemp("orders"))


@pytest.mark.slow
def test_the_table_in_the_docs_is_what_happens(found: dict[tuple[str, ...], composition.Found]) -> None:
    assert composition.DOCUMENT.read_text() == composition.render(found), "write it anew: make orders"


@pytest.mark.slow
def test_zeros_and_tables_outlive_what_need_not_break_them(found: dict[tuple[str, ...], composition.Found]) -> None:
    for first, what in (("cluster", "tables"), ("prune: magnitude", "zeros")):
        runs = {names: each for names, each in found.items() if names[0] == first and len(names) == 2}
        lost = {names[1] for names, each in runs.items() if each.kept and each.kept != f"{what} kept"}
        assert lost == {"distill", "factorize"}
        for use in lost:
            assert runs[first, use].verdict == "wasteful"


@pytest.mark.slow
def test_what_check_refuses_for_its_tables_would_be_refused_when_it_runs(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(small.NET)
    house = composition.House(tmp_path, "images")
    with pytest.raises(UserError, match=re.escape("`cluster` keeps the zeros")):
        house.after(("cluster", "prune: magnitude"))
