"""Every test has a cache of its own, and finds the shared pieces beside this file."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# Most of what tests make lives as long as they do: looking through it often would take a quarter of the time.
gc.set_threshold(50_000, 20, 20)

# The same examples in every run, within a minute; `make test-long` draws many, and others each time.
settings.register_profile("fixed", max_examples=25, derandomize=True, deadline=None, database=None)
settings.register_profile("long", max_examples=500, deadline=None, database=None, print_blob=True)
settings.load_profile("long" if os.environ.get("TINYC_TEST_LONG") else "fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with slow tests first, so that no worker is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="module")
def what_stays_is_not_collected() -> Iterator[None]:
    """Keep the garbage collector from what a file of tests leaves alive: libraries, and what its tests share.

    Each conversion and each step of a run ends in a collection, which would look through all of it.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def workers_serve_all_tests() -> Iterator[None]:
    """Hold a pool open, so that those that tests and commands close leave their workers to the next."""
    from tinyc.tflite.run.pool import Pool

    with Pool():
        yield


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished run of the small recipe in `runs/small`, with its recipe and its cache beside it.

    `said.json` is what `compress --json` wrote on standard output. All is made once for all workers of pytest; each has
    a copy of its own.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            finish(shared.with_suffix(".writing")).rename(shared)
    return Path(shutil.copytree(shared, base / "undisturbed"))


def finish(folder: Path) -> Path:
    """Run the small recipe."""
    from support import small

    from tinyc import cli

    arguments = ["compress", str(small.write(folder)), "--out", str(folder / "runs"), "--json"]
    with pytest.MonkeyPatch.context() as patch, (folder / "said.json").open("w") as said:
        patch.setenv("TINYC_CACHE", str(folder / "cache"))
        with contextlib.redirect_stdout(said):
            assert cli.invoke(arguments) == 0
    return folder


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders, one for each test; `mktemp` would list all earlier ones to find each number."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_cache(caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = next(caches)
    folder.mkdir()
    monkeypatch.setenv("TINYC_CACHE", str(folder))
    return folder


def leave_by_themselves() -> None:
    """Let workers end of their own, as `make coverage` needs: one that is killed saves no lines that it ran."""
    from tinyc.tflite.run.link import Link

    end = Link.end

    def closed(link: Link) -> None:
        link.connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            link.process.wait(timeout=2)
        end(link)

    pytest.MonkeyPatch().setattr(Link, "end", closed)


if "COVERAGE_PROCESS_CONFIG" in os.environ:
    leave_by_themselves()
