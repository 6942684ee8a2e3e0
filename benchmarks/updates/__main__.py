"""What makes an update of the built-in world quicker: `python -m benchmarks.updates ways|processes`, rows of
`results/updates.jsonl`.

`ways`: prompts one by one, together, the U-Net's memory channels last, the U-Net compiled by torch; name some
to measure these alone. `processes`: two processes on two cores beside one, the same loss expected.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial

import torch

from benchmarks.record import record
from benchmarks.updates.processes import processes
from benchmarks.updates.ways import WAYS, ways


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.updates",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("what", choices=("ways", "processes"))
    parser.add_argument("names", nargs="*", metavar="WAY", help=f"of {', '.join(WAYS)}; all if none is named")
    parser.add_argument("--updates", type=int, default=7)
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in WAYS]:
        parser.error(f"there is no way {', '.join(unknown)}; there are {', '.join(WAYS)}")
    torch.set_num_threads(1)
    measure = (
        partial(processes, given.updates)
        if given.what == "processes"
        else partial(ways, given.names or list(WAYS), given.updates)
    )
    command = " ".join(["python -m benchmarks.updates", given.what, *map(repr, given.names)])
    print(json.dumps(record("updates", f"updates-{given.what}", command, measure), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
