"""`python -m rankkit` is the command `rankkit`."""

from rankkit.cli import main

main()
