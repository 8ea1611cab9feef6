"""Images: read from folders and files, resized."""
