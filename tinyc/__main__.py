"""`python -m tinyc`."""

from tinyc.cli import main

main()
