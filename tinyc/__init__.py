"""Compress networks into int8 TensorFlow Lite Micro artifacts, with every figure measured on the artifact."""

__version__ = "0.1.0"
