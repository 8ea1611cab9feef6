"""Low-rank factorization: one matrix of a layer replaced by the product of two thin ones."""
