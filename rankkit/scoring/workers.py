"""The same loop over processes of this machine, for rankers that are plain functions of an image.

Each worker reads, decodes and scores chunks; only places of images and rows travel, never pixels.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, get_all_start_methods, get_context, parent_process
from multiprocessing.context import BaseContext

from rankkit.errors import RunStopped
from rankkit.io.rows import Row
from rankkit.registry.load import Prepared, prepare
from rankkit.scoring.ahead import RunRanker
from rankkit.scoring.chunks import abstentions, in_chunks, score_chunk
from rankkit.scoring.plan import Key
from rankkit.scoring.work import Work, decode_work

Rows = list[tuple[Key, Row]]
Scored = tuple[Rows, str]  # rows, and why a ranker could not go on, or ""

AHEAD = 2  # chunks that wait for each worker
DIED = "the process that scored it died, also when it was the only image there"

_rankers: list[RunRanker | None] = []  # of a worker, built once; None for those that run elsewhere


def run(works: Iterator[Work], rankers: Sequence[Prepared], *, workers: int) -> Iterator[Rows]:
    """Score works in so many processes, in order. A worker that dies costs its chunk a second try, and the
    image that kills it again an abstention.
    """
    specs = [ranker.spec if ranker.plain else "" for ranker in rankers]
    waiting: deque[tuple[list[Work], Future[Scored]]] = deque()
    chunks = in_chunks(works)
    pool = _pool(specs, workers)
    try:
        while True:
            try:
                while len(waiting) < AHEAD * workers and (chunk := next(chunks, None)):
                    waiting.append((chunk, pool.submit(_score, chunk)))
                if not waiting:
                    return
                found = waiting[0][1].result()
                waiting.popleft()
            except BrokenProcessPool:
                pool.shutdown(cancel_futures=True)
                pool = _pool(specs, workers)
                again = [chunk for chunk, _ in waiting]
                waiting.clear()
                found = _alone(again.pop(0), specs, rankers)
                waiting.extend((chunk, pool.submit(_score, chunk)) for chunk in again)
            rows, stopped = found
            yield rows
            if stopped:
                raise RunStopped(stopped)
    finally:
        pool.shutdown(cancel_futures=True)


def _alone(works: list[Work], specs: Sequence[str], rankers: Sequence[Prepared]) -> Scored:
    """Works that a worker may have died of, in a process of their own; halved until the one that it dies of
    is by itself.
    """
    with _pool(specs, 1) as pool, contextlib.suppress(BrokenProcessPool):
        return pool.submit(_score, works).result()
    if len(works) == 1:
        return abstentions(works[0], rankers, DIED), ""
    half = len(works) // 2
    (first, stopped), second = _alone(works[:half], specs, rankers), works[half:]
    if stopped:
        return first, stopped
    rest, stopped = _alone(second, specs, rankers)
    return first + rest, stopped


def warm() -> None:
    """Begin to start the process that workers fork from, and do not wait for it."""
    if _context().get_start_method() == "forkserver":
        forkserver.ensure_running()


def _pool(specs: Sequence[str], workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, _context(), _begin, (list(specs),))


def _context() -> BaseContext:
    """Processes fork from a fresh one where the system can, else each starts afresh: a fork of a program with
    threads may hang.
    """
    context = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
    context.set_forkserver_preload([__name__])
    return context


def _begin(specs: list[str]) -> None:
    """A worker: Ctrl-C is for the program to handle, and nobody works for a program that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _rankers[:] = [RunRanker(prepare(spec, local_only=True)) if spec else None for spec in specs]


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _score(works: list[Work]) -> Scored:
    rows = score_chunk([decode_work(work) for work in works], _rankers)
    return rows, next((str(ranker.stopped) for ranker in _rankers if ranker and ranker.stopped), "")
