"""The rankers of a run in lanes: those that score images by themselves together, then those that need groups.

Rankers of a lane see an image one after the other, so it is read and decoded once; where a device has no room
for all of them at once, each sees all images before the next is loaded.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter

from rankkit.errors import DeviceFull
from rankkit.io.rows import Row, label
from rankkit.registry.load import Prepared
from rankkit.registry.one_score import OneScoreWatch
from rankkit.scoring.ahead import RunRanker
from rankkit.scoring.chunks import rank_works
from rankkit.scoring.journal import Journal
from rankkit.scoring.ledger import Ledger
from rankkit.scoring.pending import unranked, unscored
from rankkit.scoring.plan import WORTH_WORKERS, Key, Say
from rankkit.scoring.work import Work

Progress = Callable[[int], None]  # called with the number of scores that are newly settled


@dataclass
class Outcome:
    """What a run did: images planned, scores made now and found settled already, and why images abstained.

    `stale` rows of earlier runs are kept but no longer count; `pruned` ones were dropped. `examples`: the
    first image of each of the `reasons`, where it is known.
    """

    images: int = 0
    groups: int = 0
    scored: int = 0
    reused: int = 0
    abstained: int = 0
    stale: int = 0
    pruned: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


@dataclass
class Lanes:
    """A run over what is planned: `earlier` says whether there are rows of earlier runs."""

    ledger: Ledger
    journal: Journal
    rankers: Sequence[Prepared]
    outcome: Outcome
    engine: str
    workers: int | None
    earlier: bool
    say: Say
    advance: Progress

    def __post_init__(self) -> None:
        self._watch = OneScoreWatch(self.say)
        self._failed = 0

    def score(self) -> None:
        """Score all images with all rankers; their rows are in the ledger and the journal as they come."""
        for independent in (True, False):
            lane = tuple(i for i, ranker in enumerate(self.rankers) if ranker.independent is independent)
            if lane:
                self._score(self._pools(lane), independent)

    def _pools(self, lane: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Rankers that share workers, where workers differ: these first that need GPUs."""
        if self.engine != "ray":
            return [lane]
        from rankkit.scoring.ray.pools import pools

        return pools(lane, self.rankers)

    def _score(self, pools: list[tuple[int, ...]], independent: bool) -> None:
        scored, reused, failed = self.outcome.scored, self.outcome.reused, self._failed
        lane = tuple(itertools.chain(*pools))
        try:
            self._pass(pools, independent, self.earlier, self.advance)
            return
        except DeviceFull as full:
            if len(lane) == 1:
                raise
            reason = str(full).split(";")[0]
        names = " and ".join(self.rankers[i].spec for i in pools[0])
        self.say(f"{names} do not fit into the device together ({reason}): they score one after the other")
        new, found = self.outcome.scored - scored, self.outcome.reused - reused
        again = self._failed - failed  # who abstained is tried again
        self.outcome.scored -= again
        self.outcome.reused = reused - (new - again)  # found by what follows, and not of an earlier run
        advance = _silent(new + found, self.advance)
        for i in lane:
            _forget([self.rankers[j] for j in lane])
            self._pass([(i,)], independent, True, advance)

    def _pass(
        self, pools: list[tuple[int, ...]], independent: bool, earlier: bool, advance: Progress
    ) -> None:
        pending = unscored if independent else unranked
        works = [
            _counted(pending(self.ledger, self.rankers, pool, earlier), self.outcome, len(pool), advance)
            for pool in pools
        ]
        for found in self._run(pools, works, whole=not independent):
            _watch_scores(self._watch, found)
            self.journal.append(self.ledger.put(found))
            self.outcome.scored += len(found)
            self._failed += sum(row["error"] is not None for _, row in found)
            advance(len(found))

    def _run(
        self, pools: list[tuple[int, ...]], works: list[Iterator[Work]], *, whole: bool
    ) -> Iterator[list[tuple[Key, Row]]]:
        """Rows of the works, of each pool: by Ray's workers, by processes here for rankers that are plain
        functions, or in this process.
        """
        if self.engine == "ray":
            from rankkit.scoring.ray.chunks import run as run_on_ray

            lanes = list(zip(pools, works, strict=True))
            return run_on_ray(lanes, self.rankers, whole=whole, workers=self.workers, say=self.say)
        (pool,), (only,) = pools, works
        many = self.workers and self.workers > 1 and self.outcome.images >= WORTH_WORKERS
        if self.workers and many and all(self.rankers[i].plain for i in pool):
            from rankkit.scoring.workers import run as run_in_processes

            return run_in_processes(only, self.rankers, workers=self.workers)
        return _local(only, self.rankers, whole=whole)


def _forget(rankers: Sequence[Prepared]) -> None:
    """Let go of rankers that a worker keeps from shard to shard."""
    for ranker in rankers:
        if callable(clear := getattr(ranker.load, "cache_clear", None)):
            clear()


def _silent(count: int, advance: Progress) -> Progress:
    """`advance` for what comes after the first `count` scores, which it was told of before."""
    left = count

    def later(settled: int) -> None:
        nonlocal left
        known = min(left, settled)
        left -= known
        if settled > known:
            advance(settled - known)

    return later


def _watch_scores(watch: OneScoreWatch, found: Sequence[tuple[Key, Row]]) -> None:
    """Show the watch a chunk's rows, ranker by ranker and group by group."""
    for (ranker, kind, _), rows in itertools.groupby(
        (row for _, row in found), key=lambda row: (label(row), row["kind"], row["group"])
    ):
        together = list(rows)
        digests = partial(map, itemgetter("sha256"), together)
        watch.scores(ranker, kind, [row["score"] for row in together], digests)


def _counted(works: Iterator[Work], outcome: Outcome, lane: int, advance: Progress) -> Iterator[Work]:
    for work in works:
        settled = lane - len(work.wanted)
        outcome.reused += settled
        if settled:
            advance(settled)
        if work.wanted:
            yield work


def _local(
    works: Iterator[Work], rankers: Sequence[Prepared], *, whole: bool
) -> Iterator[list[tuple[Key, Row]]]:
    """Rank in this process, with rankers that are built for this, and let go at its end.

    Raises `DeviceFull` where what one needs is held by the others.
    """
    running = [RunRanker(ranker) for ranker in rankers]
    try:
        yield from rank_works(works, running, whole=whole)
    finally:
        for ranker in running:
            ranker.free()
