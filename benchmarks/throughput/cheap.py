"""How far a cheap ranker is from twelve lines with a pool: `jpeg | png`.

`rankkit score FOLDER -r sharpness` as people start it, against a script that maps the same function over the
same files with a process per core and writes a table: whole processes, from the start of Python to the file,
alternating, with equal scores. `jpeg`: 800 of 512 x 512; `png`: 6 000 of 64 x 64.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.record import spread
from benchmarks.throughput.images import alternating, soft_images

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
        soft_images(place / "in", count, side, suffix)
        (place / "pool.py").write_text(POOL, "utf-8")
        ours = ["-m", "rankkit", "score", "in", "-r", "sharpness", "-o", "ours.jsonl", "--overwrite"]
        runs: dict[str, Callable[[], object]] = {
            "pool": lambda: _python(place, "pool.py", "in", "pool.csv"),
            "rankkit": lambda: _python(place, *ours),
        }
        seconds = alternating(runs, rounds)
        _check_equal(place)
    times = [ours / pool for ours, pool in zip(seconds["rankkit"], seconds["pool"], strict=True)]
    return {
        "work": kind, "images": count, "side": side,
        "seconds": {name: spread(each) for name, each in seconds.items()},
        "times the pool": round(statistics.median(times), 2),
    }  # fmt: skip


def _python(place: Path, *arguments: str) -> None:
    """As people run it: compiled code is kept from the first run on, as that of an installed package is."""
    known = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        check=True,
        capture_output=True,
        env={**known, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def _check_equal(place: Path) -> None:
    rows = map(json.loads, (place / "ours.jsonl").read_text("utf-8").splitlines())
    ours = {Path(row["image"]).name: row["score"] for row in rows}
    with open(place / "pool.csv", newline="") as file:
        assert ours == {name: float(score) for name, score in csv.reader(file)}
