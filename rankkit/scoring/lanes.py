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
from typing import TYPE_CHECKING, Protocol

from rankkit.core.prefetch import cores
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

if TYPE_CHECKING:
    from rankkit.scoring.workers import Workers

Rows = list[tuple[Key, Row]]
PoolWorks = tuple[tuple[int, ...], Iterator[Work]]  # rankers that share workers, and what they are to see
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


class Engine(Protocol):
    """Where rankers run."""

    def expect_many(self, rankers: Sequence[Prepared]) -> None:
        """Get ready: there are as many images as several processes are worth starting for."""
        ...

    def pools(self, lane: tuple[int, ...], rankers: Sequence[Prepared]) -> list[tuple[int, ...]]:
        """Rankers that share workers, where workers differ: these first that need GPUs."""
        ...

    def run(
        self,
        pools: Sequence[PoolWorks],
        rankers: Sequence[Prepared],
        *,
        whole: bool,
        images: int,
        say: Say,
    ) -> Iterator[Rows]:
        """The rows of each pool's works; with `whole`, groups stay whole.

        `images`: how many the run has. Raises `DeviceFull` where there is no room for all rankers at once.
        """
        ...


@dataclass
class Here:
    """This process; for plain functions and many images so many `workers`, None for one per core."""

    workers: int | None = None
    _started: Workers | None = field(default=None, init=False)

    def expect_many(self, rankers: Sequence[Prepared]) -> None:
        """Begin to start workers, if there will be any."""
        if self._in_processes(rankers):
            self._started = self._start(rankers)

    def pools(self, lane: tuple[int, ...], rankers: Sequence[Prepared]) -> list[tuple[int, ...]]:
        """All together."""
        return [lane]

    def run(
        self,
        pools: Sequence[PoolWorks],
        rankers: Sequence[Prepared],
        *,
        whole: bool,
        images: int,
        say: Say,
    ) -> Iterator[Rows]:
        """The rows of works, in order."""
        ((pool, works),) = pools
        if images >= WORTH_WORKERS and self._in_processes([rankers[i] for i in pool]):
            from rankkit.scoring.workers import run as run_in_processes

            started, self._started = self._started or self._start(rankers), None
            return run_in_processes(works, rankers, started)
        return _in_this_process(works, rankers, whole)

    def _start(self, rankers: Sequence[Prepared]) -> Workers:
        from rankkit.scoring import workers

        return workers.start(rankers, self.workers or cores())

    def _in_processes(self, rankers: Sequence[Prepared]) -> bool:
        return (self.workers or cores()) > 1 and all(ranker.plain for ranker in rankers)


HERE = Here(workers=1)


@dataclass
class Lanes:
    """A run over what is planned: `earlier` says whether there are rows of earlier runs."""

    ledger: Ledger
    journal: Journal
    rankers: Sequence[Prepared]
    outcome: Outcome
    engine: Engine
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
                self._score(self.engine.pools(lane, self.rankers), independent)

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
            (pool, _counted(pending(self.ledger, self.rankers, pool, earlier), self.outcome, pool, advance))
            for pool in pools
        ]
        whole, images = not independent, self.outcome.images
        for found in self.engine.run(works, self.rankers, whole=whole, images=images, say=self.say):
            _watch_scores(self._watch, found)
            self.journal.append(self.ledger.put(found))
            self.outcome.scored += len(found)
            self._failed += sum(row["error"] is not None for _, row in found)
            advance(len(found))


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


def _counted(
    works: Iterator[Work], outcome: Outcome, pool: tuple[int, ...], advance: Progress
) -> Iterator[Work]:
    """The works that some ranker of the pool wants; what the others know already is counted."""
    for work in works:
        settled = len(pool) - len(work.wanted)
        outcome.reused += settled
        if settled:
            advance(settled)
        if work.wanted:
            yield work


def _in_this_process(works: Iterator[Work], rankers: Sequence[Prepared], whole: bool) -> Iterator[Rows]:
    """Rank in this process, with rankers that are built for this, and let go at its end.

    Raises `DeviceFull` where what one needs is held by the others.
    """
    running = [RunRanker(ranker) for ranker in rankers]
    try:
        yield from rank_works(works, running, whole=whole)
    finally:
        for ranker in running:
            ranker.free()
