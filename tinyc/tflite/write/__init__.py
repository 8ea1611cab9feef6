"""Files of TensorFlow Lite, rewritten: smaller, and still the same to the bit."""
