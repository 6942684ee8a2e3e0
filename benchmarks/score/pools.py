"""A folder on Ray by rankers that have workers of their own: `sharpness` on a core, a model on a GPU.

`python -m benchmarks.score ray-pools` runs this as a program on a cluster that says it has a GPU; the model
waits as long as a GPU would take, 5 ms an image, and computes nothing.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import rankkit
from benchmarks.score.images import jpegs
from rankkit.io.prompts import survey
from rankkit.registry.load import prepare
from rankkit.scoring import engine
from rankkit.scoring.lanes import HERE, Engine
from rankkit.scoring.ray.chunks import OnRay

FAR = 0.005  # seconds that the model takes for an image
MODEL = "benchmarks.score.pools:Waits"


class Waits(rankkit.Pointwise):
    """A model on a GPU, as a core sees it: nothing to do until the answer is there."""

    def score(self, images: Sequence[object]) -> list[float]:
        """The same for each, after a while."""
        time.sleep(FAR * len(images))
        return [1.0] * len(images)


def main(rounds: int, count: int) -> None:
    """Print, as JSON, the seconds of each way by round, and whether the rows are those of a local run."""
    import ray

    ray.init("local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    ways = {"the model": [MODEL], "`sharpness`": ["sharpness"], "both": [MODEL, "sharpness"]}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name:
        place = Path(name)
        jpegs(place / "in", count)
        here = _score(place, ways["both"], HERE, "here.jsonl")
        equal = True
        for number in range(-1, rounds):  # the first is not counted: Ray's own processes start
            for way, specs in ways.items():
                begun = time.perf_counter()
                found = _score(place, specs, OnRay(), f"{number}-{len(specs)}-{specs[0][:5]}.jsonl")
                if number >= 0:
                    seconds[way].append(time.perf_counter() - begun)
                equal = equal and (way != "both" or found == here)
    print(json.dumps({"seconds": seconds, "equal": equal}))


def _score(place: Path, specs: Sequence[str], where: Engine, output: str) -> bytes:
    path = place / output
    engine.score(survey([place / "in"]), [prepare(spec) for spec in specs], path, engine=where)
    return path.read_bytes()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
