"""What every room may use: errors, units, limits, files, progress, the cache, the run folder; words, no work."""
