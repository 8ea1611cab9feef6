"""Why an int8 artifact loses accuracy: its own tensors beside the float network's, and what they point to."""
