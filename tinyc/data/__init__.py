"""Datasets by name, file or function: read, checked, cut into splits, and turned into what a network sees."""
