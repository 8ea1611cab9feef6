"""Datasets by name, file or function, with their splits told apart; importing this imports no numpy."""

from tinyc.data.loading import inputs, load

__all__ = ["inputs", "load"]
