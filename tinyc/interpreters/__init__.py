"""Artifacts read and run without TensorFlow: the flatbuffer, and TFLM and tflite-runtime in worker processes."""
