"""Functions and layers of other kinds, rewritten into layers that every pass knows."""
