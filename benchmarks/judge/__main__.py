"""What a pairwise judge achieves per call, whether its position bias leaks, and what a group costs.

    python -m benchmarks.judge [recall] [equals] [cost] [cached] [verdicts] [--trials 1000]

`verdicts` is of the judge that needs no model, GenEval's scorer: how often it says what the official code
says.

The judges of `recall` and `equals` are simulated: utilities of the images are N(0, 1), and P(first wins) =
σ(s · difference + bias), drawn anew for every call, with s such that so many calls are right. A real judge
repeats its errors: more calls gain less than here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from benchmarks.judge.costs import cached, cost
from benchmarks.judge.simulated import equals, recall
from benchmarks.judge.verdicts import verdicts
from benchmarks.record import record


def main() -> None:
    """Measure what is named, or everything."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judge", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", metavar="recall|equals|cost|cached|verdicts", help="all of them if none is named"
    )
    parser.add_argument("--trials", type=int, default=1000)
    given = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "recall": lambda: recall(given.trials),
        "equals": lambda: equals(given.trials),
        "cost": cost,
        "cached": cached,
        "verdicts": verdicts,
    }
    for name in given.parts or list(parts):
        trials = f" --trials {given.trials}" if name in ("recall", "equals") else ""
        record("judge", name, f"python -m benchmarks.judge {name}{trials}", parts[name])


if __name__ == "__main__":
    main()
