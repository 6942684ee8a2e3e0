"""Shards on Ray's workers, for a run whose rows go into a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rankkit.registry.load import Prepared
from rankkit.scoring.plan import Say
from rankkit.scoring.ray.pool import Died, Pool, on_ray
from rankkit.scoring.ray.pools import needs_gpu
from rankkit.scoring.shards.one import Failed, Scored, ShardScorer, Task
from rankkit.scoring.shards.run import Workers
from rankkit.scoring.shards.shard import Shard

DIED = "the worker that scored it died, twice; is there enough memory for it?"


def shard_workers(rankers: Sequence[Prepared], workers: int | None, say: Say) -> Workers:
    """What scores shards on so many of Ray's workers, each one shard at a time."""
    specs, gpus = [ranker.spec for ranker in rankers], any(map(needs_gpu, rankers))

    def score(task: Task, shards: Iterator[Shard]) -> Iterator[tuple[Shard, Scored | Failed]]:
        pool = Pool(ShardScorer, (specs, task), shards, gpus)
        for _, shard, answer in on_ray([pool], workers=workers, ahead=1, say=say):
            yield shard, Failed(DIED) if isinstance(answer, Died) else answer

    return score
