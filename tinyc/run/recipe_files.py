"""What a recipe names on disk: its files, and which of them stand where a run would move or overwrite them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tinyc.core.errors import UserError
from tinyc.spec import origin
from tinyc.spec import references as named
from tinyc.spec.builders import Builder
from tinyc.spec.recipe import Recipe
from tinyc.spec.sentences import Prepare

HUB = "hf:"


def named_files(recipe: Recipe) -> Iterator[str]:
    """Yield every file or folder that a recipe names, as it is written there."""
    if recipe.data.path is not None:
        yield recipe.data.path
    if isinstance(recipe.data.prepare, Prepare) and recipe.data.prepare.tokenizer is not None:
        yield recipe.data.prepare.tokenizer
    if recipe.source.checkpoint is not None and not recipe.source.checkpoint.startswith(HUB):
        yield recipe.source.checkpoint
    for value in references(recipe):
        yield value.file if isinstance(value, Builder) else value


def references(recipe: Recipe) -> Iterator[Builder | str]:
    """Yield every function and every file that a recipe's sections name."""
    for owner in (recipe.source, recipe.data, *(step.transform for step in recipe.steps)):
        yield from named.references(owner)


def require_outside(recipe: Recipe, folder: Path) -> None:
    """Refuse to move a run folder that holds what the recipe needs.

    Raises:
        UserError: names the first file, and where to put it.
    """
    inside = next((path for path in needed(recipe) if path.is_relative_to(folder.resolve())), None)
    if inside is None:
        return
    problem = (
        f"the recipe needs {inside}, and {folder} has to move: it holds the run of another recipe of the same name"
    )
    remedy = f"give the recipe another name than {recipe.name!r}, or copy that file to a place outside {folder}"
    raise UserError(str(recipe.path), problem, remedy)


def require_own(recipe: Recipe, folder: Path) -> None:
    """Refuse a folder without a run whose recipe.toml is the very recipe that was given, since a run writes one there.

    Raises:
        UserError: names the file.
    """
    if recipe.origin == (folder / origin.RECIPE).resolve() and origin.sha256(folder) is None:
        problem = f"the run folder would be {folder}, where a run writes its own {origin.RECIPE} over yours"
        raise UserError(str(recipe.path), problem, "give another folder by --out, or give the recipe another name")


def needed(recipe: Recipe) -> Iterator[Path]:
    """Yield every path that a recipe leads to: its own, those that it extends, what it or an option names."""
    yield recipe.origin
    yield from (base.resolve() for base in recipe.bases)
    told = (value.options for value in references(recipe) if isinstance(value, Builder))
    paths = [text for options in told for text in options.values() if isinstance(text, str) and "/" in text]
    for name in (*named_files(recipe), *paths):
        try:
            yield recipe.find(name)
        except UserError:  # says so where it is used
            continue
