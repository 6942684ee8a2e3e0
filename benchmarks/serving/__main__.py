"""Many clients of one served ranker: `python -m benchmarks.serving`.

1, 8 and 32 clients of `rankkit serve`, where requests wait up to 5 ms for others to share a call, against
one client that calls the ranker in its own process. Every client asks about groups of 4 images of 256 × 256,
one after the other. `model` stands for one on a device of its own: a call takes 10 ms and 1 ms an image,
without using a core; `nothing` answers at once, so that what is left is the server. In turn, real processes;
a row goes to `results/serving.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import rankkit
from benchmarks.record import record, spread
from benchmarks.serving.clients import IMAGES, SIDE, ask, groups_of
from benchmarks.serving.server import MODULE, serving
from rankkit.remote.rankers import Http

CLIENTS = (1, 8, 32)


def measure(rounds: int = 5, seconds: float = 3.0) -> dict[str, Any]:
    """Images a second, milliseconds of a request and images of a call, for each ranker and way."""
    groups = groups_of(16)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as place:
        os.chdir(place)
        Path("ranked.py").write_text(MODULE, "utf-8")
        for name in ("model", "nothing"):
            here = rankkit.load_here(f"ranked:{name}")
            with serving(f"ranked:{name}") as url:
                ways: dict[str, list[Any]] = {
                    "in process": [here],
                    **{f"{n} by HTTP": [Http(url) for _ in range(n)] for n in CLIENTS},
                }
                found[name] = _in_turn(ways, groups, rounds, seconds)
        os.chdir("/")
    return {"images": IMAGES, "side": SIDE, "seconds": seconds, "rounds": rounds, "rankers": found}


def _in_turn(
    ways: dict[str, list[Any]], groups: list[rankkit.Group], rounds: int, seconds: float
) -> dict[str, Any]:
    rates: dict[str, list[float]] = {way: [] for way in ways}
    waits: dict[str, list[float]] = {way: [] for way in ways}
    calls: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, clients in ways.items():
            Path("calls.txt").write_text("")
            took = ask(clients, groups, seconds if turn else 0.5)
            if turn:  # the first is a warm-up
                sizes = list(map(int, Path("calls.txt").read_text().split()))
                rates[way].append(IMAGES * len(took) / seconds)
                waits[way].append(1000 * statistics.median(took))
                calls[way].append(statistics.mean(sizes))
    return {
        way: {
            "images a second": spread(rates[way]),
            "ms of a request": spread(waits[way]),
            "images of a call": spread(calls[way]),
        }
        for way in ways
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    row = record("serving", "serving", "python -m benchmarks.serving", lambda: measure(rounds))
    print(json.dumps(row["rankers"], indent=1))
