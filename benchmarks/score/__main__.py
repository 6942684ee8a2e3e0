"""What `rankkit` costs: `python -m benchmarks.score NAME…`, one of the keys of `BENCHMARKS`, or all.

Each appends one row to `results/score.jsonl`; `python -m benchmarks.tables` makes the tables of README.md of
them. Everything is measured on real processes of the command; images are made in a temporary folder and
removed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.record import ratio, record, spread
from benchmarks.score import cluster
from benchmarks.score.images import jpegs, small_images
from benchmarks.score.processes import run

COMMAND = [sys.executable, "-m", "rankkit"]


def startup(rounds: int = 21) -> dict[str, Any]:
    """`rankkit list` against an interpreter that imports what it cannot do without."""
    commands = {
        "rankkit list": [*COMMAND, "list"],
        "imports": [sys.executable, "-c", "import typer, PIL.Image, numpy"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    work: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        run(command)  # files are read and compiled
    for _ in range(rounds):
        for name, command in commands.items():
            seconds, _, cpu = run(command)
            times[name].append(seconds)
            work[name].append(cpu)
    return {
        "seconds": {name: spread(each) for name, each in times.items()},
        "ratio": ratio(times["rankkit list"], times["imports"]),
        "CPU seconds": {name: spread(each) for name, each in work.items()},
        "CPU ratio": ratio(work["rankkit list"], work["imports"]),
    }


def memory(rounds: int = 3) -> dict[str, Any]:
    """Peak memory for 400 and for 40 000 small images: one prompt each (a manifest), and one prompt for
    all.
    """
    peaks: dict[str, dict[str, list[float]]] = {"one prompt each": {}, "one prompt for all": {}}
    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name:
        place = Path(name)
        for count in (400, 40_000):
            small_images(place / str(count), count)
        for _ in range(rounds):
            for count in ("400", "40000"):
                for how, options in (
                    ("one prompt each", ["--prompts", f"{count}/list.jsonl"]),
                    ("one prompt for all", ["--prompt", "a fox"]),
                ):
                    command = [
                        *COMMAND,
                        "score",
                        count,
                        "-r",
                        "sharpness",
                        "-r",
                        "prompt-color",
                        *options,
                        "-o",
                        "out.jsonl",
                        "--overwrite",
                    ]
                    peaks[how].setdefault(count, []).append(run(command, place, ok=(0, 3))[1])
    return {
        "MiB": {how: {count: spread(each) for count, each in found.items()} for how, found in peaks.items()},
        "ratio": {how: ratio(found["40000"], found["400"]) for how, found in peaks.items()},
    }


def resume(rounds: int = 3, count: int = 10_000) -> dict[str, Any]:
    """A first run of `sharpness` over 10 000 JPEGs of 512 × 512, and a second one that finds everything
    scored.
    """
    first, second = [], []
    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name:
        place = Path(name)
        size = jpegs(place / "in", count)
        command = [*COMMAND, "score", "in", "-r", "sharpness", "-o", "out.jsonl"]
        for _ in range(rounds):
            (place / "out.jsonl").unlink(missing_ok=True)
            first.append(run(command, place)[0])
            second.append(run(command, place)[0])
    return {
        "images": count,
        "KiB an image": round(size / count / 1024, 1),
        "seconds": {"first": spread(first), "second": spread(second)},
        "ratio": ratio(first, second),
    }


BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    "startup": startup,
    "memory": memory,
    "resume": resume,
    "ray": cluster.workers,
    "ray-model": cluster.model_workers,
    "ray-pools": cluster.pools,
    "ray-memory": cluster.memory,
    "ray-leader": cluster.leader,
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.score", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME", help=" | ".join(BENCHMARKS)
    )
    for name in parser.parse_args().names or BENCHMARKS:
        found = record("score", name, f"python -m benchmarks.score {name}", BENCHMARKS[name])
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
