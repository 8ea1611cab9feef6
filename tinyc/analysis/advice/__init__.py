"""Advice: rows of a condition that was measured and the change to write, in tables; pure functions of known facts."""
