"""Differential privacy of clients and of their examples: clipping, noise, budgets."""
