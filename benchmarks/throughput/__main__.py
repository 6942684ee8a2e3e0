"""Measure one kind of work and append a row to `results/throughput.jsonl`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from benchmarks.record import record
from benchmarks.throughput import cheap, loops, models, together

WORK = (*cheap.WORK, *models.SIZES, "together", *loops.WORK)


def main() -> None:
    """Measure the work that is named."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="\n".join(str(module.__doc__) for module in (cheap, models, together, loops)),
    )
    parser.add_argument("work", choices=WORK)
    parser.add_argument("--images", type=int, default=192, help="of 512 x 512, for models")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    name, measure = _measurement(given.work, given.images, given.rounds)
    images = "" if given.work in cheap.WORK else f" --images {given.images}"
    command = f"python -m benchmarks.throughput {given.work}{images} --rounds {given.rounds}"
    print(json.dumps(record("throughput", name, command, measure), indent=2))


def _measurement(work: str, images: int, rounds: int) -> tuple[str, Callable[[], dict[str, Any]]]:
    """What the row is called, and what measures it."""
    if work in cheap.WORK:
        return "cheap", lambda: cheap.measure(work, rounds)
    if work in models.SIZES:
        return "throughput", lambda: models.measure(work, images, rounds)
    if work == "together":
        return "together", lambda: together.measure(images, rounds)
    return "loop", lambda: loops.measure(work, images, rounds)


if __name__ == "__main__":
    main()
