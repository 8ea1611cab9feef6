"""Files of TensorFlow Lite: read, written, and run in worker processes; never with TensorFlow."""
