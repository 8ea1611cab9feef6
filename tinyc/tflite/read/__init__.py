"""What is in a file of TensorFlow Lite: operators, tensors, bytes, memory."""
