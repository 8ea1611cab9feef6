"""The training loop, distillation, and training with differential privacy."""
