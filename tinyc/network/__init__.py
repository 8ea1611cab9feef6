"""Keras networks: read or built, examined, made flat, and rewritten into layers that can be compressed."""
