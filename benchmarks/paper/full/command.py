"""`python -m benchmarks.paper --full DIR`: say what it costs, do what is missing, write the tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.paper.full import cost, page, stages
from benchmarks.paper.full.plan import RANKERS, RECIPES, SETS, TRAIN, TRAIN_GENEVAL, Plan
from rankkit import RankkitError

HELP = f"""Train, sample and score at full size, and write DIR/tables.md beside the paper's numbers.

DIR/prompts holds {TRAIN} and {TRAIN_GENEVAL} to train on, and {", ".join(one.file for one in SETS)}.
What was done is kept, and the same command goes on; --cost only says what it will cost."""


def main(arguments: Sequence[str]) -> int:
    """Parse, and do what is asked; 0 when the tables are written, 1 when it could not go on."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--full", type=Path, required=True, metavar="DIR")
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=f"of {', '.join(RECIPES)}; all if none")
    parser.add_argument("--set", action="append", default=[], metavar="[RECIPE.]FIELD=VALUE", dest="settings")
    parser.add_argument("-r", "--ranker", action="append", metavar="SPEC", help=f"else {', '.join(RANKERS)}")
    parser.add_argument("--geneval", default="geneval", metavar="SPEC", help="what scores GenEval's prompts")
    parser.add_argument("--cost", action="store_true", help="only say what it will cost")
    given = parser.parse_args(arguments)
    plan = Plan(
        given.full,
        tuple(given.recipes) or tuple(RECIPES),
        tuple(given.settings),
        tuple(given.ranker or RANKERS),
        given.geneval,
    )
    try:
        plan.check()
        print(cost.told(plan), file=sys.stderr)
        if not given.cost:
            stages.go_on(plan)
            print(*page.write(plan), sep="\n")
    except RankkitError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
