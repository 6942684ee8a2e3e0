"""Chunks of works on Ray's workers, for a run whose rows go into one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rankkit.core.memory import keep_freed_memory
from rankkit.errors import DeviceFull, RankkitError, RunStopped
from rankkit.registry.load import Prepared, prepare
from rankkit.scoring.ahead import RunRanker
from rankkit.scoring.chunks import abstentions, in_chunks, rank_works
from rankkit.scoring.lanes import PoolWorks, Rows
from rankkit.scoring.plan import Say
from rankkit.scoring.ray.pool import Died, Pool, on_ray
from rankkit.scoring.ray.pools import needs_gpu, pools
from rankkit.scoring.work import Work

DIED = "the worker that scored it died, also when it was the only image there"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows of some works, and why a ranker could not go on: the run stops, cannot begin, or `full`, the
    device has no room for all of its rankers.
    """

    rows: Rows
    stopped: str = ""
    failed: str = ""
    full: str = ""

    def raise_why(self) -> None:
        """Raise what ended it, if anything did."""
        for error, why in ((RunStopped, self.stopped), (DeviceFull, self.full), (RankkitError, self.failed)):
            if why:
                raise error(why)


class Scorer:
    """A worker: rankers by spec, built with the first chunk and kept for those to come."""

    def __init__(self, specs: Sequence[str], whole: bool) -> None:
        keep_freed_memory()
        self._specs, self._whole = specs, whole
        self._rankers: list[RunRanker] = []

    def score(self, works: Sequence[Work]) -> Chunk:
        """The rows of these works, or of those before a ranker stopped."""
        rows: Rows = []
        try:
            self._rankers = self._rankers or [RunRanker(prepare(spec)) for spec in self._specs]
            for part in rank_works(iter(works), self._rankers, whole=self._whole):
                rows += part
        except RunStopped as stopped:
            return Chunk(rows, stopped=str(stopped))
        except DeviceFull as full:
            return Chunk(rows, full=str(full))
        except RankkitError as error:
            return Chunk(rows, failed=str(error))
        return Chunk(rows)


@dataclass(frozen=True, slots=True)
class OnRay:
    """Ray's workers: so many for each pool, None for as many as `rankkit.scoring.ray.room` plans."""

    workers: int | None = None

    def expect_many(self, rankers: Sequence[Prepared]) -> None:
        """Ray starts its workers with their first chunks."""

    def pools(self, lane: tuple[int, ...], rankers: Sequence[Prepared]) -> list[tuple[int, ...]]:
        """Where the cluster has GPUs, rankers that need none have workers of their own."""
        return pools(lane, rankers)

    def run(
        self,
        pools: Sequence[PoolWorks],
        rankers: Sequence[Prepared],
        *,
        whole: bool,
        images: int,
        say: Say,
    ) -> Iterator[Rows]:
        """All pools at once, rows as chunks are done.

        A worker that dies costs its chunk a second try, by itself; a chunk that it dies of is halved, and the
        image of which it dies again abstains.
        """
        given = [ranker.spec for ranker in rankers], whole
        left = [
            Pool(Scorer, given, in_chunks(works, whole), gpus=any(needs_gpu(rankers[i]) for i in pool))
            for pool, works in pools
        ]
        while left:
            again: dict[Pool[list[Work], Chunk], list[list[Work]]] = {}
            for pool, chunk, answer in on_ray(left, workers=self.workers, ahead=2, say=say):
                if isinstance(answer, Died):
                    halves = _halves(chunk, whole)
                    again.setdefault(pool, []).extend(halves)
                    if not halves:
                        yield [row for work in chunk for row in abstentions(work, rankers, DIED)]
                    continue
                yield answer.rows
                answer.raise_why()
            left = [replace(pool, tasks=chunks) for pool, chunks in again.items()]


def _halves(chunk: list[Work], whole: bool) -> list[list[Work]]:
    """Two parts of a chunk, none where it cannot be parted; with `whole`, groups stay whole."""
    places = [i for i in range(1, len(chunk)) if not whole or chunk[i - 1].key[0] != chunk[i].key[0]]
    if not places:
        return []
    half = min(places, key=lambda place: abs(2 * place - len(chunk)))
    return [chunk[:half], chunk[half:]]
