"""Training with example-level differential privacy, its accountant, and what an epsilon rests on."""
