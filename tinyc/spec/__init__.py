"""What a user writes: recipe files, and the schema of every section and pass; words, no work."""
