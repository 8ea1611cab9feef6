"""How much an artifact tells about who was in its training data."""
