"""The name of `rankkit.serving.pipe` in earlier versions: a command in rankkit.toml that has it works on."""

import sys

from rankkit.serving.pipe import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
