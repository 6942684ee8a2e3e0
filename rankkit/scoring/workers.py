"""The same loop over processes of this machine, for rankers that are plain functions of an image.

Each worker reads, decodes and scores chunks; only places of images and rows travel, never pixels.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import forkserver, get_all_start_methods, get_context, resource_tracker
from multiprocessing.context import BaseContext

from rankkit.core.memory import keep_freed_memory
from rankkit.errors import RunStopped
from rankkit.io.rows import Row
from rankkit.registry.load import Prepared
from rankkit.scoring.ahead import RunRanker
from rankkit.scoring.chunks import abstentions, score_chunk
from rankkit.scoring.plan import WORTH_WORKERS, Key
from rankkit.scoring.processes import Lost, Processes, no_interrupt
from rankkit.scoring.work import Work, decode_work

Rows = list[tuple[Key, Row]]
Scored = tuple[Rows, str]  # rows, and why a ranker could not go on, or ""
Workers = Processes[list[Work], Scored]

FEW, MANY = 16, 64  # images of a chunk: few, so that all processes end at about the same time
PACE = 0.02  # seconds between answers at which chunks stay small: to hand them over takes its time as well
TIMEOUT = 3600.0  # seconds that the answer to one chunk may take, as of rankers elsewhere


def start(rankers: Sequence[Prepared], size: int) -> Workers:
    """Workers for the plain functions among the rankers, which begin to start, and are not waited for."""
    workers, context = _workers(rankers, size), _context(rankers)
    if context.get_start_method() == "fork":
        workers.start(WORTH_WORKERS // FEW)
    elif context.get_start_method() == "forkserver":
        resource_tracker.ensure_running()  # which would let Ctrl-C through again
        with no_interrupt():
            forkserver.ensure_running()
    return workers


def run(works: Iterator[Work], rankers: Sequence[Prepared], workers: Workers) -> Iterator[Rows]:
    """Score works in these processes, in order. A worker that dies, or does not answer, costs its chunk a
    second try, and the image of which it dies again an abstention.
    """
    share = FEW

    def chunks() -> Iterator[list[Work]]:
        while chunk := list(itertools.islice(works, share)):
            yield chunk

    with workers:
        first, answered = 0.0, 0
        for chunk, found in workers.in_order(chunks()):
            rows, stopped = _alone(chunk, rankers) if isinstance(found, Lost) else found
            yield rows
            if stopped:
                raise RunStopped(stopped)
            if first:  # the first answer took the start of its process
                answered += len(chunk)
                share = min(max(FEW, round(answered / (time.monotonic() - first) * PACE)), MANY)
            first = first or time.monotonic()


def _alone(works: list[Work], rankers: Sequence[Prepared]) -> Scored:
    """Works of which a worker may have died, in a process of their own; halved until the one of which it dies
    is by itself.
    """
    with _workers(rankers, 1) as worker:
        _, found = next(worker.in_order(iter([works])))
    if not isinstance(found, Lost):
        return found
    if len(works) == 1:
        reason = f"the process that scored it {found.why}, also when it was the only image there"
        return abstentions(works[0], rankers, reason), ""
    half = len(works) // 2
    first, stopped = _alone(works[:half], rankers)
    if stopped:
        return first, stopped
    rest, stopped = _alone(works[half:], rankers)
    return first + rest, stopped


def _workers(rankers: Sequence[Prepared], size: int) -> Workers:
    plain = [ranker if ranker.plain else None for ranker in rankers]
    return Processes(partial(_context, rankers), partial(_begin, plain), size, timeout=TIMEOUT)


def _context(rankers: Sequence[Prepared]) -> BaseContext:
    """Processes of rankkit's own rankers fork from this program while it has one thread: with more a fork may
    hang, and what other rankers opened would be shared. Else they fork from a fresh one, or start afresh.
    """
    alone = sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    if alone and all(ranker.own for ranker in rankers):
        return get_context("fork")
    context = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
    context.set_forkserver_preload([__name__, "numpy"])  # once for all workers
    return context


def _begin(rankers: list[Prepared | None]) -> Callable[[list[Work]], Scored]:
    """A worker's rankers, built once; None for those that run elsewhere."""
    import numpy  # noqa: F401  (most functions of an image need it, and there is nothing to score yet)

    keep_freed_memory()
    return partial(_score, [RunRanker(ranker) if ranker else None for ranker in rankers])


def _score(rankers: list[RunRanker | None], works: list[Work]) -> Scored:
    rows = score_chunk([decode_work(work) for work in works], rankers)
    return rows, next((str(ranker.stopped) for ranker in rankers if ranker and ranker.stopped), "")
