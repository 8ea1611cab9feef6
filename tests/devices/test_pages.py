"""docs/boards.md and docs/runtimes.md are what the data says today."""

from __future__ import annotations

import pytest
from support import device_pages


@pytest.mark.parametrize("name", ["boards.md", "runtimes.md"])
def test_the_page_is_written_from_the_data(name: str) -> None:
    assert (device_pages.DOCS / name).read_text() == device_pages.pages()[name], "run `make devices`"
