"""One row per measurement, with what one needs to know to believe it: when, the command, the machine, the
versions, how busy it was.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rankkit.core.prefetch import cores

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("rankkit-t2i", "numpy", "Pillow", "typer")


def record(
    file: str, name: str, command: str, measure: Callable[[], dict[str, Any]], folder: Path = RESULTS
) -> dict[str, Any]:
    """Measure, append the row to `results/FILE.jsonl`, or that of another folder, and return it."""
    load = os.getloadavg()[0]
    numbers = measure()
    row = {
        "date": date.today().isoformat(),
        "benchmark": name,
        "command": command,
        "machine": {**machine(), "load before": round(load, 1), "load after": round(os.getloadavg()[0], 1)},
        **numbers,
    }
    folder.mkdir(exist_ok=True)
    with open(folder / f"{file}.jsonl", "a", encoding="utf-8") as rows:
        rows.write(json.dumps(row, ensure_ascii=False) + "\n")
    return row


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest of repeated measurements, and how many there were."""
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "n": len(values),
    }


def ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """The ratio of medians, and the smallest and largest one of a pair measured side by side."""
    pairs = [a / b for a, b in zip(above, below, strict=True)]
    middle = statistics.median(above) / statistics.median(below)
    return {"median": round(middle, 3), "min": round(min(pairs), 3), "max": round(max(pairs), 3)}


def machine() -> dict[str, Any]:
    """Cores, memory, system and versions."""
    return {
        "cores": cores(),
        "GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
