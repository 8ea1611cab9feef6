"""The server's checks of what clients answer, and how it puts answers together."""
