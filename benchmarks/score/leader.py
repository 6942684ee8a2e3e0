"""The program that leads a run over shards, with workers that make their answers up.

`python -m benchmarks.score.leader COUNT FOLDER` prints the MiB that it had in memory at most.

Everything but the workers' answers is real: archives are listed, Ray's actors are asked, groups are indexed,
finished shards and the manifest are written.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rankkit.registry.load import prepare
from rankkit.scoring.ray.pool import Died, Pool, on_ray
from rankkit.scoring.shards.folder import Done
from rankkit.scoring.shards.one import DIGEST, Failed, Scored, Task
from rankkit.scoring.shards.run import score_shards
from rankkit.scoring.shards.shard import Reading, Shard

HELD = 1000  # images of an archive, each in a group of its own


class Inventor:
    """A worker that says it scored a thousand images, and reads none."""

    def __init__(self, run: str) -> None:
        self._run = run

    def score(self, shard: Shard) -> Scored:
        """What `score_shard` would say."""
        counts = (HELD, HELD, HELD, 0, 536 * HELD, "0" * 64)
        done = Done(shard.name, f"{shard.key}.jsonl", shard.stamp, self._run, *counts)
        return Scored(done, os.urandom(DIGEST * HELD), 0)


def invented(task: Task, shards: Iterator[Shard]) -> Iterator[tuple[Shard, Scored | Failed]]:
    for _, shard, answer in on_ray([Pool(Inventor, (task.run,), shards)], workers=2, ahead=1):
        yield shard, Failed("died") if isinstance(answer, Died) else answer


def main(count: int, place: Path) -> None:
    """Lead a run over so many images."""
    (place / "in").mkdir()
    for number in range(count // HELD):
        (place / "in" / f"{number:06}.tar").touch()
    os.chdir(place)
    outcome = score_shards(["in"], [prepare("contrast")], "out", invented, prompts=None, reading=Reading())
    assert outcome.scored == count, outcome
    (peak,) = (
        line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )
    print(round(int(peak) / 1024, 1))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
