"""Classification: its losses and its metrics."""
