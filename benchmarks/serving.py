"""Many clients of one served ranker: `python -m benchmarks.serving`.

1, 8 and 32 clients of `rankkit serve`, where requests wait up to 5 ms for others to share a call, against
one client that calls the ranker in its own process. Every client asks about groups of 4 images of 256 × 256,
one after the other. `model` stands for one on a device of its own: a call takes 10 ms and 1 ms an image,
without using a core; `nothing` answers at once, so that what is left is the server. In turn, real processes;
a row goes to `results/serving.jsonl`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import rankkit
from benchmarks.record import record, spread
from rankkit.remote.rankers import Http

IMAGES, SIDE = 4, 256
CLIENTS = (1, 8, 32)
MODULE = """\
import time
import rankkit

CALLS = "calls.txt"


def noted(count):
    with open(CALLS, "a") as file:
        file.write(f"{count}\\n")


@rankkit.pointwise
def model(images):
    noted(len(images))
    time.sleep(0.010 + 0.001 * len(images))
    return [float(image.getpixel((0, 0))[0]) for image in images]


@rankkit.pointwise
def nothing(images):
    noted(len(images))
    return [float(image.getpixel((0, 0))[0]) for image in images]
"""


def measure(rounds: int = 5, seconds: float = 3.0) -> dict[str, Any]:
    """Images a second, milliseconds of a request and images of a call, for each ranker and way."""
    groups = _groups(16)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as place:
        os.chdir(place)
        Path("ranked.py").write_text(MODULE, "utf-8")
        for name in ("model", "nothing"):
            here = rankkit.load_here(f"ranked:{name}")
            with _server(f"ranked:{name}") as url:
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
            took = _ask(clients, groups, seconds if turn else 0.5)
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


def _ask(clients: Sequence[Any], groups: list[rankkit.Group], seconds: float) -> list[float]:
    """Every client asks until the time is over; the seconds that each answer took."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    def client(ranker: Any, first: int) -> None:
        number = first
        while (start := time.perf_counter()) < end:
            group = groups[number % len(groups)]
            (ranking,) = ranker.rank([group])
            assert ranking.scores == tuple(float(image.getpixel((0, 0))[0]) for image in group.images)
            took.append(time.perf_counter() - start)
            number += 1

    threads = [threading.Thread(target=client, args=(each, i)) for i, each in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def _groups(count: int) -> list[rankkit.Group]:
    rng = np.random.default_rng(0)
    return [
        rankkit.Group(
            f"image {number}",
            tuple(
                Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for _ in range(IMAGES)
            ),
        )
        for number in range(count)
    ]


@contextlib.contextmanager
def _server(spec: str) -> Iterator[str]:
    command = [sys.executable, "-m", "rankkit", "serve", spec, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield process.stderr.readline().split(" at ")[1].split(";")[0]
        finally:
            process.terminate()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    row = record("serving", "serving", "python -m benchmarks.serving", lambda: measure(rounds))
    print(json.dumps(row["rankers"], indent=1))
