"""Fewer weights: pruning, clustering, factorization, smaller vocabularies."""
