"""The table of passes: one row a pass. Importing it imports no TensorFlow."""

from __future__ import annotations

PASSES: dict[str, type] = {}
PLANNED = ("preprocess", "factorize", "cluster", "federate", "compact")
