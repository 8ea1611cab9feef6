"""What runtimes and boards can compute and hold."""
