"""The command line: each command parses, makes one library call and prints."""

from rankkit.cli.app import main

__all__ = ["main"]
