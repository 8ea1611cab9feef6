"""Few-valued weights: k-means, bits by layer, and training that keeps the tables."""
