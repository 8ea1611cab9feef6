"""Sentences: read, tokenized, varied."""
