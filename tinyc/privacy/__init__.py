"""Differential privacy: its keys, its accountant, and the conditions under which a figure holds."""
