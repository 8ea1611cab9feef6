"""Runtimes and boards as data: what each port of TensorFlow Lite Micro runs, and what each board holds."""
