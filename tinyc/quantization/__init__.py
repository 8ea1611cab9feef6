"""From a network to what a device is flashed with: int8 conversion, stripping, C and HEX. Imports no TensorFlow."""
