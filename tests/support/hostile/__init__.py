"""Hostile files and functions, and the processes in which they are tried."""
