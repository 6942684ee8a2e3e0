"""Faults made on purpose: `python -m benchmarks.faults kills [NAME ...] [--times 50]`, or `flood`.

`kills` sends SIGKILL at random moments to the scorer, one of its workers, the worker of a pipe, a server, a
Ray worker, the trainer, the page of `rankkit label`; what the run ends with, once the same command was given
again, is compared with an uninterrupted run's. `flood` counts the good requests that a server answers while
bad ones come. One row per name is appended to `results/faults.jsonl`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.faults.flood import flood
from benchmarks.faults.labelling import label
from benchmarks.faults.scoring import forks, pipe, ray, scorer, server, workers
from benchmarks.faults.training import trainer
from benchmarks.record import record

KILLS: dict[str, Callable[[int, int], dict[str, Any]]] = {
    **{"scorer": scorer, "workers": workers, "forks": forks, "pipe": pipe, "server": server},
    **{"label": label, "trainer": trainer, "ray": ray},
}


def main() -> None:
    """Run what is named, or all of it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    kills = commands.add_parser("kills", help="SIGKILL at random moments")
    kills.add_argument("names", nargs="*", choices=[[], *KILLS], metavar="NAME", help=" | ".join(KILLS))
    kills.add_argument("--times", type=int, default=50)
    kills.add_argument("--seed", type=int, default=0)
    commands.add_parser("flood", help="bad requests beside good ones")
    given = parser.parse_args()
    if given.command == "flood":
        row = record("faults", "flood", "python -m benchmarks.faults flood", flood)
        print(json.dumps({name: row[name] for name in row if name != "machine"}), flush=True)
        return
    for name in given.names or KILLS:
        command = f"python -m benchmarks.faults kills {name} --times {given.times} --seed {given.seed}"
        found = partial(KILLS[name], given.times, given.seed)
        row = record("faults", "killed", command, lambda found=found, name=name: {"what": name, **found()})
        print(json.dumps({name: row[name] for name in row if name != "machine"}), flush=True)


if __name__ == "__main__":
    main()
