"""Channels, heads and weights that are cut out of a network."""
