"""Processes that answer jobs, each over a pipe of its own: one that is killed or hangs costs its job alone.

They share no lock and no queue, so one that dies at any moment keeps nobody waiting.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

J = TypeVar("J")
A = TypeVar("A")

AHEAD = 2  # jobs that a process has at a time
GRACE = 1.0  # seconds that a process may take to end by itself


@dataclass(frozen=True, slots=True)
class Lost:
    """What there is in place of an answer: the process did not give one, and `why`."""

    why: str


@dataclass(eq=False)
class Job(Generic[J]):
    """A question and, once it is `done`, its answer, or what answering raised."""

    question: J
    done: bool = False
    answer: Any = None


@dataclass(eq=False)
class Worker(Generic[J]):
    """A process, and the jobs that it has; the first of them it has been at since `since`."""

    process: Any
    connection: Connection
    jobs: deque[Job[J]] = field(default_factory=deque)
    since: float = 0.0


class Processes(Generic[J, A]):
    """So many processes, started as they are needed.

    Each calls `begin` once, which gives what answers its jobs. `context` says for each how it starts: what
    was safe for the first may not be for a later one. `timeout`: seconds for one answer, after which the
    process is ended.
    """

    def __init__(
        self,
        context: Callable[[], BaseContext],
        begin: Callable[[], Callable[[J], A]],
        size: int,
        *,
        timeout: float,
    ) -> None:
        self._context, self._begin, self._size, self._timeout = context, begin, size, timeout
        self._workers: list[Worker[J]] = []
        self._end = weakref.finalize(self, _end, self._workers)

    def __enter__(self) -> Processes[J, A]:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def start(self, count: int) -> None:
        """Start so many before there are jobs, if there are to be so many."""
        while len(self._workers) < min(count, self._size):
            self._start()

    def in_order(self, questions: Iterator[J]) -> Iterator[tuple[J, A | Lost]]:
        """Every question with its answer, or with why there is none; in order, a few ahead.

        Raises what answering raised.
        """
        jobs: deque[Job[J]] = deque()
        unassigned: deque[Job[J]] = deque()
        more = True
        while True:
            while more and len(jobs) < AHEAD * self._size:
                question = next(questions, None)
                more = question is not None
                if question is not None:
                    jobs.append(Job(question))
                    unassigned.append(jobs[-1])
            if not jobs:
                return
            while not jobs[0].done:
                self._assign(unassigned)
                self._take_answers(unassigned)
            job = jobs.popleft()
            if isinstance(job.answer, Exception):
                raise job.answer
            yield job.question, job.answer

    def _assign(self, unassigned: deque[Job[J]]) -> None:
        """Give jobs to those who have fewest, and start processes while there are more jobs."""
        while unassigned:
            free = min(self._workers, key=lambda worker: len(worker.jobs), default=None)
            if (free is None or free.jobs) and len(self._workers) < self._size:
                free = self._start()
            if free is None or len(free.jobs) >= AHEAD:
                return
            job = unassigned.popleft()
            free.since = free.since if free.jobs else time.monotonic()
            free.jobs.append(job)
            with contextlib.suppress(OSError):  # its death is noticed below
                free.connection.send(job.question)

    def _take_answers(self, unassigned: deque[Job[J]]) -> None:
        """Wait for an answer, a death, or the end of somebody's time."""
        busy = {worker.connection: worker for worker in self._workers if worker.jobs}
        first = min(worker.since for worker in busy.values()) + self._timeout
        for connection in wait(list(busy), max(0.0, first - time.monotonic())):
            worker = busy[connection]  # type: ignore[index]
            try:
                answer = worker.connection.recv()
            except (EOFError, OSError):
                self._lose(worker, "died", unassigned)
            else:
                _settle(worker.jobs.popleft(), answer)
                worker.since = time.monotonic()
        for worker in list(self._workers):
            if worker.jobs and time.monotonic() > worker.since + self._timeout:
                self._lose(worker, f"gave no answer within {self._timeout:g} s and was ended", unassigned)

    def _lose(self, worker: Worker[J], why: str, unassigned: deque[Job[J]]) -> None:
        """Be done with a process: its first job is lost, the others are for somebody else."""
        self._workers.remove(worker)
        worker.process.kill()
        _end([worker])
        _settle(worker.jobs.popleft(), Lost(why))
        unassigned.extendleft(reversed(worker.jobs))

    def _start(self) -> Worker[J]:
        context = self._context()
        ours, theirs = context.Pipe()
        inherited = [*(worker.connection for worker in self._workers), ours] if _forks(context) else []
        process = context.Process(target=_serve, args=(theirs, self._begin, inherited))  # type: ignore[attr-defined]
        with no_interrupt():
            process.start()
        theirs.close()
        self._workers.append(Worker(process, ours))
        return self._workers[-1]


def _settle(job: Job[Any], answer: Any) -> None:
    job.done, job.answer = True, answer


def _end(workers: list[Worker[Any]]) -> None:
    """Hang up, upon which a process ends by itself, and kill those that do not."""
    for worker in workers:
        worker.connection.close()
    for worker in workers:
        worker.process.join(GRACE)
        worker.process.kill()
        worker.process.join()
    workers.clear()


@contextlib.contextmanager
def no_interrupt() -> Iterator[None]:
    """What is started inside never hears Ctrl-C; the program, which handles it, does again after."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _forks(context: BaseContext) -> bool:
    """Whether processes are copies of this one, with all that it has open."""
    return context.get_start_method() == "fork"


def _let_go(inherited: Sequence[Connection]) -> None:
    """Close what a copy of the program has open: the ends of pipes, which others are to see closed with the
    program, and its files, of which some are locked.
    """
    for connection in inherited:
        connection.close()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if int(name) > 2 and stat.S_ISREG(os.fstat(int(name)).st_mode):
                os.close(int(name))


def _serve(
    connection: Connection, begin: Callable[[], Callable[[Any], Any]], inherited: Sequence[Connection]
) -> None:
    """A process: Ctrl-C is for the program to handle, and it ends with the program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if inherited:
        _let_go(inherited)
    jobs: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, jobs), daemon=True).start()
    try:
        answer = begin()
    except Exception as error:
        answer = _raises(error)
    while True:
        question = jobs.get()
        try:
            found = answer(question)
        except Exception as error:
            found = error
        try:
            connection.send(found)
        except OSError:
            os._exit(1)


def _receive(connection: Connection, jobs: SimpleQueue[Any]) -> None:
    """Take jobs as they come, so that who sends them never waits, and end where nobody sends any more."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            jobs.put(connection.recv())
    os._exit(1)


def _raises(error: Exception) -> Callable[[Any], Any]:
    def answer(question: Any) -> Any:
        raise error

    return answer
