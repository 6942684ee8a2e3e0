"""The command line: each command parses, makes one library call and prints."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run `rankkit`; the commands are imported here, so that Ctrl-C while they are is no traceback."""
    try:
        from rankkit.cli.app import main as run
    except KeyboardInterrupt:
        print("stopped; give the same command again to go on", file=sys.stderr)
        sys.exit(130)
    run()


__all__ = ["main"]
