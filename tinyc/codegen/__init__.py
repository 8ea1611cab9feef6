"""What is written beside an artifact: C, Intel HEX, the tokenizer and the signal's front in C."""
