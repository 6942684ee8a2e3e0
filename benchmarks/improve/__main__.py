"""Changes of the method, each beside the method as published, at as many generated images.

    python -m benchmarks.improve list                     what there is, and what is missing
    python -m benchmarks.improve run [NAME …] [--seeds 0]   runs what is missing: a row each in improve.jsonl
    python -m benchmarks.improve tables                   writes docs/paper.md and its figures from the rows

A run is a try of 80 steps with a seed and prompts that are there for tuning, or 160 steps with one of the
fresh seeds of the paper's tables (--seeds, at most 5): about a minute and two of one core. One core is used;
what was interrupted goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.improve import plan
from benchmarks.improve.variants import VARIANTS
from benchmarks.paper import night, page
from benchmarks.paper.__main__ import KNOWN
from benchmarks.paper.plan import SEEDS
from benchmarks.paper.rows import read


def main() -> int:
    """Parse, and do what is asked."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.improve",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("action", choices=("list", "run", "tables"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(VARIANTS)}; all if none")
    parser.add_argument("--seeds", type=int, choices=range(len(SEEDS) + 1), default=3)
    parser.add_argument("--rows", type=Path, default=plan.FILE, help="the file of rows, if another")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in VARIANTS]:
        parser.error(f"no change is called {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
    names = given.names or list(VARIANTS)
    if given.action == "tables":
        paths = page.write(read(), known=KNOWN)
        print("wrote " + ", ".join(map(str, paths)), file=sys.stderr)
        return 0
    if given.action == "list":
        _list(names, given.seeds, given.rows)
        return 0
    try:
        for row in plan.go_on(names, given.seeds, given.rows):
            print(night.told(row), file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is missing", file=sys.stderr)
        return 130
    return 0


def _list(names: list[str], seeds: int, file: Path) -> None:
    known = plan.rows(file)
    for name in names:
        todo = len(plan.missing([name], seeds, known))
        print(f"{name}: {VARIANTS[name].words}; {todo} runs are missing")


if __name__ == "__main__":
    sys.exit(main())
