"""Keys of three terminals, and a SuperLink that knows them, on a free port of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.joined import NOWHERE, Link, superlink

from tinyc.federation.terminals import keys as key_files


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    key_files.make(folder, 3)
    return folder


@pytest.fixture
def link(keys: Path) -> Iterator[Link]:
    with superlink(NOWHERE, keys) as opened:
        yield opened
