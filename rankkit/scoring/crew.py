"""Processes that answer jobs, each over a pipe of its own: one that is killed or hangs costs its job alone.

They share no lock and no queue, so one that dies at any moment keeps nobody waiting.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
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
class Member(Generic[J]):
    """A process, and the jobs that it has; the first of them it has been at since `since`."""

    process: Any
    connection: Connection
    jobs: deque[Job[J]] = field(default_factory=deque)
    since: float = 0.0


class Crew(Generic[J, A]):
    """So many processes, started as they are needed.

    Each calls `begin` once, which gives what answers its jobs. `timeout`: seconds for one answer, after which
    the process is ended.
    """

    def __init__(
        self, context: BaseContext, begin: Callable[[], Callable[[J], A]], size: int, *, timeout: float
    ) -> None:
        self._context, self._begin, self._size, self._timeout = context, begin, size, timeout
        self._members: list[Member[J]] = []
        self._end = weakref.finalize(self, _end, self._members)

    def __enter__(self) -> Crew[J, A]:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

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
                self._listen(unassigned)
            job = jobs.popleft()
            if isinstance(job.answer, Exception):
                raise job.answer
            yield job.question, job.answer

    def _assign(self, unassigned: deque[Job[J]]) -> None:
        """Give jobs to those who have fewest, and start processes while there are more jobs."""
        while unassigned:
            free = min(self._members, key=lambda member: len(member.jobs), default=None)
            if (free is None or free.jobs) and len(self._members) < self._size:
                free = self._start()
            if free is None or len(free.jobs) >= AHEAD:
                return
            job = unassigned.popleft()
            free.since = free.since if free.jobs else time.monotonic()
            free.jobs.append(job)
            with contextlib.suppress(OSError):  # that it is dead is heard next
                free.connection.send(job.question)

    def _listen(self, unassigned: deque[Job[J]]) -> None:
        """Wait for an answer, a death, or the end of somebody's time."""
        busy = {member.connection: member for member in self._members if member.jobs}
        first = min(member.since for member in busy.values()) + self._timeout
        for connection in wait(list(busy), max(0.0, first - time.monotonic())):
            member = busy[connection]  # type: ignore[index]
            try:
                answer = member.connection.recv()
            except (EOFError, OSError):
                self._lose(member, "died", unassigned)
            else:
                _settle(member.jobs.popleft(), answer)
                member.since = time.monotonic()
        for member in list(self._members):
            if member.jobs and time.monotonic() > member.since + self._timeout:
                self._lose(member, f"gave no answer within {self._timeout:g} s and was ended", unassigned)

    def _lose(self, member: Member[J], why: str, unassigned: deque[Job[J]]) -> None:
        """Be done with a process: its first job is lost, the others are for somebody else."""
        self._members.remove(member)
        member.process.kill()
        _end([member])
        _settle(member.jobs.popleft(), Lost(why))
        unassigned.extendleft(reversed(member.jobs))

    def _start(self) -> Member[J]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._begin))  # type: ignore[attr-defined]
        process.start()
        theirs.close()
        self._members.append(Member(process, ours))
        return self._members[-1]


def _settle(job: Job[Any], answer: Any) -> None:
    job.done, job.answer = True, answer


def _end(members: list[Member[Any]]) -> None:
    """Hang up, upon which a process ends by itself, and kill those that do not."""
    for member in members:
        member.connection.close()
    for member in members:
        member.process.join(GRACE)
        member.process.kill()
        member.process.join()
    members.clear()


def _serve(connection: Connection, begin: Callable[[], Callable[[Any], Any]]) -> None:
    """A process: Ctrl-C is for the program to handle, and nobody works for a program that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_hear, args=(connection, jobs), daemon=True).start()
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


def _hear(connection: Connection, jobs: SimpleQueue[Any]) -> None:
    """Take jobs as they come, so that who sends them never waits, and end where nobody sends any more."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            jobs.put(connection.recv())
    os._exit(1)


def _raises(error: Exception) -> Callable[[Any], Any]:
    def answer(question: Any) -> Any:
        raise error

    return answer
