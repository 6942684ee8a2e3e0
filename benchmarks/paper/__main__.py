"""The paper's tables in miniature.

    python -m benchmarks.paper list                     what would be run, minutes each, what is there
    python -m benchmarks.paper run [TABLE …]            runs what is missing: a row each in paper.jsonl
    python -m benchmarks.paper tables                   writes docs/paper.md from the rows

A run that was interrupted, killed too, goes on where it was. `--quick` takes fewer steps and one seed, about
20 minutes of one core for all tables; its rows never stand beside full ones.

    python -m benchmarks.paper --full DIR               the paper's own size, on a GPU: see --full DIR --help
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.paper import night, page
from benchmarks.paper.full import command
from benchmarks.paper.plan import SEEDS, Table, tables
from benchmarks.paper.rows import FILE, read
from drpo.shapes import world

KNOWN = Path(world.__file__).parent / "known.jsonl"  # beside which `drpo evaluate` puts a run


def main() -> int:
    """Parse, and do what is asked."""
    if any(word.startswith("--full") for word in sys.argv[1:]):
        return command.main(sys.argv[1:])
    known = tables()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("action", choices=("list", "run", "tables"))
    parser.add_argument(
        "names", nargs="*", metavar="TABLE", help=f"of {', '.join(known)}; all if none is named"
    )
    parser.add_argument(
        "--seeds", type=int, choices=range(1, len(SEEDS) + 1), help="how many; 3, with --quick 1"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=Path, default=FILE, help="the file of rows, if another")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no table is called {', '.join(unknown)}; there are {', '.join(known)}")
    asked = [known[name] for name in given.names or known]
    seeds = given.seeds or (1 if given.quick else 3)
    if given.action == "tables":
        return _write(page.write(read(given.rows), known=KNOWN))
    if given.action == "list":
        return _listed(asked, seeds, given.quick, given.rows)
    try:
        failed = night.go_on(asked, seeds, given.processes, quick=given.quick, file=given.rows)
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is missing", file=sys.stderr)
        return 130
    return 1 if failed else 0


def _listed(asked: list[Table], seeds: int, quick: bool, file: Path) -> int:
    """Per table the runs that are missing and what they cost; runs that tables share count in each."""
    rows = read(file)
    for table in asked:
        todo = night.missing([table], seeds, rows, quick=quick)
        minutes = [night.seconds(run, rows) / 60 for run in todo]
        waiting = [
            arm.title for arm in table.arms if night.run_of(arm, SEEDS[0], rows, quick=quick) is None
        ]  # fmt: skip
        later = f"; once tuned {len(waiting) * seeds} more" if waiting else ""
        cost = f"{sum(minutes):.0f} minutes of one core{later}"
        print(f"{table.name}: {len(todo)} of its runs are missing, {cost}")
        for run, each in zip(todo, minutes, strict=True):
            words = " ".join(run.settings) or "as the recipe"
            print(f"  {each:4.1f} min  {run.method} ({words}) seed {run.seed} on {run.split}")
    total = night.missing(asked, seeds, rows, quick=quick)
    spent = sum(night.seconds(run, rows) for run in total) / 60
    print(f"in all {len(total)} runs, {spent:.0f} minutes of one core")
    return 0


def _write(paths: list[Path]) -> int:
    print("wrote " + ", ".join(str(path) for path in paths), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
