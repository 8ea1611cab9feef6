"""Where a recipe's paths lead: its own folder, that folder's parent, then the installed gallery."""

from __future__ import annotations

from pathlib import Path

import tinyc
from tinyc.core import files
from tinyc.core.errors import UserError
from tinyc.core.spelling import nearest


def root() -> Path:
    """Return the folder of the shipped `models/` and `recipes/`: inside the package, or the checkout around it."""
    package = Path(tinyc.__file__).parent
    return package / "gallery" if (package / "gallery").is_dir() else package.parent


def names() -> list[str]:
    """Return the names of the shipped recipes."""
    return sorted(path.stem for path in (root() / "recipes").glob("*.toml"))


def locate(recipe: str) -> Path:
    """Find a recipe by file or by gallery name.

    Raises:
        UserError: there is neither such a file nor such a shipped recipe.
        MachineError: a folder on the way to it may not be read.
    """
    if not recipe:
        raise UserError("RECIPE", "is empty", "give a file, or the name of a shipped recipe")
    path = Path(recipe)
    tried = [path, Path("recipes") / f"{recipe}.toml", Path(f"{recipe}.toml"), root() / "recipes" / f"{recipe}.toml"]
    found = [candidate for candidate in tried if files.exists(candidate)]
    if found:
        return next((candidate for candidate in found if candidate.is_file()), found[0]).resolve()
    close = nearest(path.stem, names())
    hint = f"did you mean {close[0]!r}?" if close else "shipped recipes are " + ", ".join(names())
    raise UserError(recipe, "there is no such file and no shipped recipe of this name", hint)


def find(path: str, recipe_folder: Path, where: str) -> Path:
    """Find a file or folder that a recipe names.

    Raises:
        UserError: it is nowhere; the message lists every place looked at.
        MachineError: a folder on the way to it may not be read.
    """
    try:
        wanted = Path(path).expanduser()
    except (RuntimeError, ValueError) as error:
        raise UserError(where, f"{path!r} does not exist: {error}", "write the whole path") from error
    folders = [recipe_folder, recipe_folder.parent, root()]
    tried = [wanted] if wanted.is_absolute() else [folder / wanted for folder in folders]
    for candidate in tried:
        if files.exists(candidate):
            return candidate.resolve()
    places = ", ".join(str(candidate) for candidate in dict.fromkeys(tried))
    raise UserError(where, f"{path!r} does not exist", f"looked for {places}")
