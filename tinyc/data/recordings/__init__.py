"""Recordings of sensors: windows, and the features of each."""
