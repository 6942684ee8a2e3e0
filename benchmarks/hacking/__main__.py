"""Train by the published method on `compressibility` until it hacks it, and see who notices.

    python -m benchmarks.hacking [--steps 48] [--seed 81] [--work DIR]     a row in results/hacking.jsonl
    python -m benchmarks.hacking --page                                    docs/hacking.svg from the last row

Two runs of one seed: one is ended by the stop rule, the other goes on (on_alarm=warn), so that what the rule
spared can be seen. Held out are the detector, graded and strict, and an image statistic. Folders of the runs
are kept in --work and resumed from there. About five minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.hacking import page
from benchmarks.hacking.runs import measured
from benchmarks.record import record


def main() -> None:
    """Parse, and run or draw."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hacking",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--seed", type=int, default=81)
    parser.add_argument("--work", type=Path, help="where the runs are; a temporary folder if not given")
    parser.add_argument("--page", action="store_true", help="only draw the figure")
    given = parser.parse_args()
    if not given.page:
        command = f"python -m benchmarks.hacking --steps {given.steps} --seed {given.seed}"
        with tempfile.TemporaryDirectory() as room:
            work = given.work or Path(room)
            row = record("hacking", "hacking", command, lambda: measured(work, given.steps, given.seed))
        print(json.dumps(row))
    print("wrote", page.draw())


if __name__ == "__main__":
    main()
