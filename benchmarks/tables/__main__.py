"""Write the tables of README.md from results/*.jsonl: `python -m benchmarks.tables`. The latest row of each
benchmark counts.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; what is outside is written by hand. To add
one, write a function in a file of this folder and name it here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.tables.cells import Row
from benchmarks.tables.cluster import ray, ray_memory, ray_pools, serving
from benchmarks.tables.drift import drift, gpu_drift, gpu_headline, gpu_score, gpu_train
from benchmarks.tables.faults import flood, fuzz, killed
from benchmarks.tables.flops import flops, generators
from benchmarks.tables.judge import cached, cost, equals, recall
from benchmarks.tables.label import label
from benchmarks.tables.plugins import detector, parity, precision, verdicts, wheels
from benchmarks.tables.score import memory, overhead, resume, startup
from benchmarks.tables.taste import taste
from benchmarks.tables.throughput import BENCHMARKS, speed
from benchmarks.tables.training import training

HERE = Path(__file__).parents[1]

TABLES: dict[str, Callable[[Row], str]] = {
    **{"startup": startup, "memory": memory, "resume": resume, "overhead": overhead},
    **{"recall": recall, "equals": equals, "cost": cost, "cached": cached, "label": label},
    **{"flops": flops, "generators": generators, "drift": drift, "verdicts": verdicts, "detector": detector},
    **{"ray": ray, "ray-memory": ray_memory, "ray-leader": ray_memory, "serving": serving},
    **{"ray-pools": ray_pools, "ray-model": ray},
    **{"parity": parity, "precision": precision, "flood": flood},
}

GATHERED: dict[str, Callable[[Sequence[Row]], str]] = {  # of many rows, not of the latest
    **{
        "training": training,
        "taste": taste,
        "killed": killed,
        "fuzz": fuzz,
        "wheels-plugins": wheels,
        "gpu-headline": gpu_headline,
        "gpu-score": gpu_score,
        "gpu-train": gpu_train,
        "gpu-drift": gpu_drift,
        "speed": speed,
    }
}


def render(text: str, rows: Iterable[Row]) -> str:
    """The text with every table written anew."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(_benchmark(row), []).append(row)

    def fill(match: re.Match[str]) -> str:
        name, own = match[2], found.get(match[2], [])
        if own and name in GATHERED:
            return f"{match[1]}\n\n{GATHERED[name](own)}\n<!-- end -->"
        if own and name in TABLES:
            return f"{match[1]}\n\n{TABLES[name](own[-1])}\n{_origin(own[-1])}\n\n<!-- end -->"
        return match[0]

    return re.sub(r"(<!-- table: ([\w-]+) -->).*?<!-- end -->", fill, text, flags=re.DOTALL)


def _benchmark(row: Row) -> str:
    """What a row is of; runs of a trainer with a ranker (without one: offline) do not say it."""
    if row.get("benchmark") in BENCHMARKS:
        return "speed"
    return row.get("benchmark") or ("training" if "arm" in row and row["config"]["ranker"] else "")


def _origin(row: Row) -> str:
    if "golden" in row:
        return (
            "`python -m benchmarks.parity`, with `--full` for the published sizes; versions and scores "
            "are in golden.json."
        )
    machine = row["machine"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("numpy", "Pillow", "typer"))
    busy = f"load {machine['load before']} before, {machine['load after']} after"
    return (
        f"`{row['command']}` · {row['date']} · {machine['cores']} cores, {machine['GiB']} "
        f"GiB, {machine['system']}, "
        f"Python {machine['python']}, {versions}; {busy}."
    )


def main() -> None:
    """Write README.md anew."""
    rows = [
        json.loads(line)
        for path in sorted((HERE / "results").glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    golden = {
        path.parent.name: json.loads(path.read_text("utf-8"))
        for path in sorted(HERE.parent.glob("plugins/*/golden.json"))
    }
    rows += [{"benchmark": name, "golden": golden} for name in ("parity", "precision")]
    readme = HERE / "README.md"
    readme.write_text(render(readme.read_text("utf-8"), rows), "utf-8")


if __name__ == "__main__":
    main()
