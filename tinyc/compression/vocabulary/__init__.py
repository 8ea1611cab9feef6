"""A smaller vocabulary: in the tokenizer, and in the network's table."""
