"""The example's passes have facts of their own."""

from __future__ import annotations

import pytest
from support import example

from tinyc.report import record
from tinyc.spec.passes import facts_of


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "facts_of", lambda use: example.FACTS.get(use, facts_of(use)))
