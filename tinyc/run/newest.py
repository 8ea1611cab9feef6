"""`runs/NAME` is the newest run of that name; what another recipe left there moves to `runs/NAME-<8 of its sha>`.

Every move is a rename under the lock of the folder that moves, and the lock moves with it; so a process that is stopped
in between leaves whole folders, and one that had opened the lock before finds that its folder has gone
(`rundir.locked`). Going back to an earlier recipe renames its folder back.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tinyc.core import run_folder
from tinyc.core.errors import MachineError
from tinyc.core.run_folder import RunFolder
from tinyc.spec import origin

STEP = re.compile(r"\d\d-[a-z_]+-[0-9a-f]{12}")
OF_A_RUN = (origin.NAME, "report.json")
TRIES = 8


@contextmanager
def claim_folder(
    base: Path, name: str, sha256: str, say: Callable[[str], None], may_move: Callable[[Path], None]
) -> Iterator[RunFolder]:
    """Hold `base/name` for a run of the recipe of this sha; what another recipe left there is moved first.

    Args:
        base: where run folders are.
        name: the recipe's.
        sha256: of the resolved recipe.
        say: told of every move.
        may_move: raises where a folder must not move.

    Raises:
        MachineError: another process writes in a folder that is needed or has to move.
    """
    folder = RunFolder(base / name)
    for _ in range(TRIES):
        if not folder.path.exists():
            bring_back(folder.path, sha256, say, may_move)
        with run_folder.locked(folder):
            if not has_to_move(folder.path, sha256):
                yield folder
                return
            may_move(folder.path)
            put_away(folder.path, origin.sha256(folder.path), say)
    raise MachineError(str(folder.path), "is being changed by other processes", "wait for them to end, then run again")


def has_to_move(folder: Path, sha256: str) -> bool:
    """Say whether a folder holds a run of another recipe than the one of this sha."""
    owner = origin.sha256(folder)
    return owner != sha256 and (owner is not None or holds_a_run(folder))


def holds_a_run(folder: Path) -> bool:
    """Say whether anything that a run leaves stands in a folder."""
    return any(path.name in OF_A_RUN or STEP.fullmatch(path.name) for path in folder.iterdir())


def bring_back(plain: Path, sha256: str, say: Callable[[str], None], may_move: Callable[[Path], None]) -> None:
    """Give the folder of an earlier run of this recipe its name again, where there is one."""
    for place in places(plain, sha256[:8]):
        if not place.exists():
            return
        if origin.sha256(place) == sha256:
            may_move(place)
            with run_folder.locked(RunFolder(place)):
                is_moved = origin.sha256(place) == sha256 and renamed(place, plain)
            if is_moved:
                say(f"{place} held the run of this recipe; it is {plain} again")
            return


def renamed(place: Path, plain: Path) -> bool:
    """Rename a folder; False where another process has made one of the new name meanwhile."""
    try:
        os.rename(place, plain)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def put_away(plain: Path, owner: str | None, say: Callable[[str], None]) -> None:
    """Move a run to a name of its own; its lock is held. Where it has such a folder, both become one."""
    for place in places(plain, owner[:8] if owner else "unknown-1"):
        if place.exists() and owner and origin.sha256(place) == owner:
            with run_folder.locked(RunFolder(place)):
                merge(place, plain)
        if not place.exists():
            os.rename(plain, place)
            whose = f"of another recipe (sha {owner[:8]})" if owner else "that does not say of which recipe"
            say(f"{plain} held a run {whose}; it is {place} now")
            return


def places(plain: Path, mark: str) -> Iterator[Path]:
    """Yield the names that a run may be moved to: `NAME-<mark>`, `NAME-<mark>-2`, ...; `unknown-1`, `-2`."""
    base, numbered, _ = mark.partition("-1")
    yield plain.with_name(f"{plain.name}-{mark}")
    for number in count(2):
        yield plain.with_name(f"{plain.name}-{base}-{number}" if numbered else f"{plain.name}-{mark}-{number}")


def merge(older: Path, newer: Path) -> None:
    """Move what `newer` lacks into it out of `older`, which then is gone; both are held.

    A step of one name is the same bytes in both, and the sound one stays. Of other files that both have, the newer
    stay in their places, and the older go into a folder `earlier-1`.
    """
    for entry in sorted(older.iterdir()):
        mine = newer / entry.name
        if STEP.fullmatch(entry.name) and mine.exists():
            keep_sound(entry, mine)
        elif not mine.exists():
            os.rename(entry, mine)
    left = [path for path in older.iterdir() if path.name != ".lock" and not same(path, newer / path.name)]
    if left:
        number = next(each for each in count(1) if not (newer / f"earlier-{each}").exists())
        os.rename(older, newer / f"earlier-{number}")
    else:
        shutil.rmtree(older)


def keep_sound(entry: Path, mine: Path) -> None:
    """Of two folders of one step, leave the sound one in the newer's place."""
    if run_folder.manifest(mine) is None and run_folder.manifest(entry) is not None:
        run_folder.set_aside(mine)
        os.rename(entry, mine)
    elif run_folder.manifest(entry) is not None:
        shutil.rmtree(entry)


def same(one: Path, other: Path) -> bool:
    """Say whether two files hold the same bytes."""
    if not (one.is_file() and other.is_file()):
        return False
    return run_folder.file_hash(one) == run_folder.file_hash(other)
