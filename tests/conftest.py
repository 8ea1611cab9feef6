"""Every test has a cache of its own, and finds the shared pieces beside this file."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# The same examples in every run, within a minute; `make test-long` draws many, and others each time.
settings.register_profile("fixed", max_examples=25, derandomize=True, deadline=None, database=None)
settings.register_profile("long", max_examples=500, deadline=None, database=None, print_blob=True)
settings.load_profile("long" if os.environ.get("TINYC_TEST_LONG") else "fixed")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished run of the small recipe in `runs/small`, with its recipe and its cache beside it."""
    from support import small

    from tinyc import cli

    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYC_CACHE", str(folder / "cache"))
        assert cli.invoke(["compress", str(small.write(folder)), "--out", str(folder / "runs")]) == 0
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TINYC_CACHE", str(folder))
    return folder


def leave_by_themselves() -> None:
    """Let workers end of their own, as `make coverage` needs: one that is killed saves no lines that it ran."""
    from tinyc.tflite.run.link import Link

    end = Link.end

    def closed(link: Link) -> None:
        link.connection.close()
        with suppress(subprocess.TimeoutExpired):
            link.process.wait(timeout=2)
        end(link)

    Link.end = closed  # type: ignore[method-assign]


if "COVERAGE_PROCESS_CONFIG" in os.environ:
    leave_by_themselves()
