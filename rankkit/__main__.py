"""`python -m rankkit` is the command `rankkit`."""

from rankkit.cli.app import main

main()
