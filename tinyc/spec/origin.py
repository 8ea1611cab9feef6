"""Where the recipe of a run folder comes from: beside it stands which file it was, so that its paths lead there again.

{"recipe_sha256": str, "recipe": str, "beside": str}    origin.json; both paths are of the file that was run:
                                                        absolute, and from the run folder
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from tinyc.core import files, limits
from tinyc.core.errors import TinycError

RECIPE, NAME = "recipe.toml", "origin.json"
SHA256 = re.compile(r"[0-9a-f]{64}")


def origin_json(sha256: str, recipe: Path, folder: Path) -> str:
    """Write origin.json for a run in `folder` of the recipe in the file `recipe`."""
    table = {"recipe_sha256": sha256, "recipe": str(recipe), "beside": os.path.relpath(recipe, folder.resolve())}
    return json.dumps(table, indent=1) + "\n"


def recipe_file(recipe: Path) -> Path:
    """Return the file beside which a recipe's relative paths begin: itself, or for a run folder's the one that was run.

    A project that was moved or copied is found from the run folder, a run folder that was moved by the whole path.
    """
    if recipe.name != RECIPE:
        return recipe
    written = read_origin(recipe.parent / NAME)
    places = [recipe.parent / written["beside"]] if "beside" in written else []
    places += [Path(written["recipe"])] if "recipe" in written else []
    there = [place for place in places if files.exists(place) and place.is_file()]
    beside = [place for place in places[1:] if files.exists(place.parent) and place.parent.is_dir()]
    return there[0].resolve() if there else [*beside, recipe][0]


def sha256(folder: Path) -> str | None:
    """Return the sha of the recipe whose run stands in a folder; None where the folder does not say."""
    for name in (NAME, "report.json"):
        found = read_origin(folder / name).get("recipe_sha256", "")
        if SHA256.fullmatch(found):
            return found
    return None


def read_origin(path: Path) -> dict[str, str]:
    """Return the texts of a small table; none where the file is missing or damaged."""
    try:
        table = json.loads(files.read_text(path, limits.JSON_BYTES))
    except (TinycError, ValueError, RecursionError):
        return {}
    if not isinstance(table, dict):
        return {}
    return {name: value for name, value in table.items() if isinstance(value, str) and "\0" not in value}
