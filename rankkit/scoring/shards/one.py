"""One shard to a file of rows, by the same engine as on one machine: what a worker does."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rankkit.core.memory import keep_freed_memory
from rankkit.errors import RankkitError, RunStopped
from rankkit.io.formats import read_rows
from rankkit.registry.load import Prepared, prepare
from rankkit.scoring import engine
from rankkit.scoring.shards.folder import Done, ShardFolder
from rankkit.scoring.shards.shard import Reading, Shard

DIGEST = 8  # bytes of a group's digest


@dataclass(frozen=True, slots=True)
class Task:
    """What every shard of a run has in common. `run` is a digest of it, and of the rankers."""

    output: str
    reading: Reading
    overwrite: bool
    run: str


@dataclass(frozen=True, slots=True)
class Scored:
    """A shard that is scored, with the digests of its groups, and how many scores were known already."""

    done: Done
    groups: bytes
    reused: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a shard could not be scored; `stop`: no other could be either."""

    reason: str
    stop: bool = False


class ShardScorer:
    """A worker: rankers by spec, built with the first shard and kept for those to come."""

    def __init__(self, specs: Sequence[str], task: Task) -> None:
        keep_freed_memory()
        self._specs, self._task = specs, task
        self._rankers: list[Prepared] = []

    def score(self, shard: Shard) -> Scored | Failed:
        """The rows of a shard, written; or the reason why there are none."""
        try:
            self._rankers = self._rankers or [_kept(prepare(spec)) for spec in self._specs]
            return score_shard(shard, self._rankers, self._task)
        except RunStopped as error:
            return Failed(str(error), stop=True)
        except RankkitError as error:
            return Failed(str(error))


def score_shard(shard: Shard, rankers: Sequence[Prepared], task: Task) -> Scored:
    """Score the images of a shard that its file of rows does not hold yet.

    Raises `RankkitError` where the shard cannot be read, or its rows cannot be written.
    """
    folder = ShardFolder(task.output)
    name = shard.key + folder.suffix
    with shard.survey(task.reading) as survey, folder.rows(name) as path:
        outcome = engine.score(
            [survey], rankers, path, prompt=task.reading.prompt, overwrite=task.overwrite, part=True
        )
        groups, size, sha256 = _groups(path), path.stat().st_size, digest_of_file(path)
    scores = outcome.scored + outcome.reused
    done = Done(
        *(shard.name, name, shard.stamp, task.run, outcome.images, outcome.groups, scores),
        *(outcome.abstained, size, sha256, dict(outcome.reasons)),
        stale=outcome.stale,
    )
    return Scored(done, groups, outcome.reused)


def digest_of(group: str, prompt: str) -> bytes:
    """What tells a group from others, in `DIGEST` bytes."""
    text = f"{group}\0{prompt}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=DIGEST).digest()


def digest_of_file(path: Path) -> str:
    """sha256 of a file, in hex."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            found.update(block)
    return found.hexdigest()


def _groups(path: Path) -> bytes:
    return b"".join(sorted({digest_of(row["group"], row["prompt"]) for row in read_rows(path)}))


def _kept(prepared: Prepared) -> Prepared:
    """The ranker, built once however many shards it is to score."""
    return dataclasses.replace(prepared, load=functools.cache(prepared.load))
