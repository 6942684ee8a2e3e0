"""The same loop over processes of this machine, for rankers that are plain functions of an image.

Each worker reads, decodes and scores chunks; only places of images and rows travel, never pixels.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import forkserver, get_all_start_methods, get_context, resource_tracker
from multiprocessing.context import BaseContext

from rankkit.errors import RunStopped
from rankkit.io.rows import Row
from rankkit.registry.load import Prepared, prepare
from rankkit.scoring.ahead import RunRanker
from rankkit.scoring.chunks import abstentions, in_chunks, score_chunk
from rankkit.scoring.plan import Key
from rankkit.scoring.processes import Lost, Processes
from rankkit.scoring.work import Work, decode_work

Rows = list[tuple[Key, Row]]
Scored = tuple[Rows, str]  # rows, and why a ranker could not go on, or ""

SHARE = 16  # images of a chunk: few, so that all processes end at about the same time
TIMEOUT = 3600.0  # seconds that the answer to one chunk may take, as of rankers elsewhere


def run(works: Iterator[Work], rankers: Sequence[Prepared], *, workers: int) -> Iterator[Rows]:
    """Score works in so many processes, in order. A worker that dies, or does not answer, costs its chunk a
    second try, and the image of which it dies again an abstention.
    """
    specs = [ranker.spec if ranker.plain else "" for ranker in rankers]
    with _processes(specs, workers) as processes:
        for chunk, found in processes.in_order(in_chunks(works, most=SHARE)):
            rows, stopped = _alone(chunk, specs, rankers) if isinstance(found, Lost) else found
            yield rows
            if stopped:
                raise RunStopped(stopped)


def _alone(works: list[Work], specs: Sequence[str], rankers: Sequence[Prepared]) -> Scored:
    """Works of which a worker may have died, in a process of their own; halved until the one of which it dies
    is by itself.
    """
    with _processes(specs, 1) as processes:
        _, found = next(processes.in_order(iter([works])))
    if not isinstance(found, Lost):
        return found
    if len(works) == 1:
        reason = f"the process that scored it {found.why}, also when it was the only image there"
        return abstentions(works[0], rankers, reason), ""
    half = len(works) // 2
    first, stopped = _alone(works[:half], specs, rankers)
    if stopped:
        return first, stopped
    rest, stopped = _alone(works[half:], specs, rankers)
    return first + rest, stopped


def warm() -> None:
    """Begin to start the process that workers fork from, and do not wait for it.

    It never hears Ctrl-C, which is for the program to handle, not even while it imports.
    """
    if _context().get_start_method() != "forkserver":
        return
    resource_tracker.ensure_running()  # which would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _processes(specs: Sequence[str], workers: int) -> Processes[list[Work], Scored]:
    warm()
    return Processes(_context(), partial(_begin, list(specs)), workers, timeout=TIMEOUT)


def _context() -> BaseContext:
    """Processes fork from a fresh one where the system can, else each starts afresh: a fork of a program with
    threads may hang.
    """
    context = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
    context.set_forkserver_preload([__name__, "numpy"])  # once for all workers
    return context


def _begin(specs: list[str]) -> Callable[[list[Work]], Scored]:
    """A worker's rankers, built once; None for those that run elsewhere."""
    return partial(_score, [RunRanker(prepare(spec, local_only=True)) if spec else None for spec in specs])


def _score(rankers: list[RunRanker | None], works: list[Work]) -> Scored:
    rows = score_chunk([decode_work(work) for work in works], rankers)
    return rows, next((str(ranker.stopped) for ranker in rankers if ranker and ranker.stopped), "")
