"""What a saved network may hold: files are judged here before Keras sees them."""
