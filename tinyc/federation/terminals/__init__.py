"""Real terminals: their keys, the server that they reach, and what runs on them."""
