"""Keys of three terminals, and a SuperLink that knows them, on a free port of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.joined import NOWHERE

from tinyc.federation import certificates
from tinyc.federation.deployment_link import Link, superlink


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    certificates.make(folder, 3)
    return folder


@pytest.fixture
def link(keys: Path) -> Iterator[Link]:
    with superlink(NOWHERE, certificates.read_server(keys)) as opened:
        yield opened
