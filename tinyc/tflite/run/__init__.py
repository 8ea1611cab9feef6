"""Files of TensorFlow Lite run under TFLM and tflite-runtime, in worker processes."""
