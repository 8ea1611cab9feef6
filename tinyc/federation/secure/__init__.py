"""Averages of updates that the server does not see: under encryption, and under masks."""
