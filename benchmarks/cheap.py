"""How far a cheap ranker is from twelve lines with a pool: `python -m benchmarks.cheap jpeg | png`.

`rankkit score FOLDER -r sharpness` as people start it, against a script that maps the same function over the
same files with a process per core and writes a table: whole processes, from the start of Python to the file,
alternating, with equal scores. `jpeg`: 800 of 512 x 512; `png`: 6 000 of 64 x 64. Appends a
row to `results/throughput.jsonl`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.record import record, spread

POOL = """\
import csv, multiprocessing, pathlib, sys
from PIL import Image
from rankkit.core.builtin import sharpness

def score(path):
    return path.name, sharpness(Image.open(path).convert("RGB"))

if __name__ == "__main__":
    paths = sorted(pathlib.Path(sys.argv[1]).iterdir())
    with multiprocessing.Pool() as pool, open(sys.argv[2], "w", newline="") as file:
        csv.writer(file).writerows(pool.map(score, paths, chunksize=16))
"""
WORK = {"jpeg": (800, 512, ".jpg"), "png": (6000, 64, ".png")}


def measure(kind: str, rounds: int) -> dict[str, Any]:
    """Seconds of each, and how many times the pool's ours takes."""
    count, side, suffix = WORK[kind]
    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name:
        place = Path(name)
        _images(place / "in", count, side, suffix)
        (place / "pool.py").write_text(POOL, "utf-8")
        ours = ["-m", "rankkit", "score", "in", "-r", "sharpness", "-o", "ours.jsonl", "--overwrite"]
        runs: dict[str, Callable[[], object]] = {
            "pool": lambda: _python(place, "pool.py", "in", "pool.csv"),
            "rankkit": lambda: _python(place, *ours),
        }
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for round_ in range(rounds + 1):  # the first warms the disk and the modules
            for which, run in runs.items():
                start = time.perf_counter()
                run()
                if round_:
                    seconds[which].append(time.perf_counter() - start)
        _check_equal(place)
    times = [ours / pool for ours, pool in zip(seconds["rankkit"], seconds["pool"], strict=True)]
    return {
        "work": kind, "images": count, "side": side,
        "seconds": {name: spread(each) for name, each in seconds.items()},
        "times the pool": round(statistics.median(times), 2),
    }  # fmt: skip


def _python(place: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def _check_equal(place: Path) -> None:
    rows = map(json.loads, (place / "ours.jsonl").read_text("utf-8").splitlines())
    ours = {Path(row["image"]).name: row["score"] for row in rows}
    with open(place / "pool.csv", newline="") as file:
        assert ours == {name: float(score) for name, score in csv.reader(file)}


def _images(folder: Path, count: int, side: int, suffix: str) -> None:
    """Images of soft colours with some grain, no two alike."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        soft = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((side, side))
        pixels = np.asarray(soft) + rng.normal(0, 6, (side, side, 3))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(folder / f"{i:05}{suffix}", quality=90)


def main() -> None:
    """Measure the work that is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cheap", description=__doc__)
    parser.add_argument("work", choices=list(WORK))
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    command = f"python -m benchmarks.cheap {given.work} --rounds {given.rounds}"
    measured = record("throughput", "cheap", command, lambda: measure(given.work, given.rounds))
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
