"""Recipes: TOML text in, one checked and resolved `Recipe` out."""

from tinyc.recipe.load import load
from tinyc.recipe.schema import Recipe, Step

__all__ = ["Recipe", "Step", "load"]
