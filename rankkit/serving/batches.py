"""Requests of many clients, ranked one call at a time by one thread.

While one call runs, requests wait; those for a pointwise ranker, which scores each image by itself, go into
the next call together.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from rankkit.core.binding import describe
from rankkit.core.types import Group, Ranking
from rankkit.errors import BrokenRanker, RankkitError, RunStopped

WINDOW = 0.005  # seconds that a request waits for others to share its call
IMAGES = 1024  # of one call that several requests share


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One request: its groups, whether it is the only one under way, and its rankings to come."""

    groups: Sequence[Group]
    alone: bool
    answer: Future[list[Ranking]] = field(default_factory=Future)

    @property
    def images(self) -> int:
        """How many images it asks about."""
        return sum(len(group.images) for group in self.groups)


class Batches:
    """A ranker that many may ask at once.

    `together`: whether requests may share a call; one that fails is then made again for each of them, so that
    only the request that fails alone is told of it.
    """

    def __init__(
        self,
        rank: Callable[[Sequence[Group]], list[Ranking]],
        *,
        together: bool,
        window: float = WINDOW,
        images: int = IMAGES,
    ) -> None:
        self._rank, self._together, self._window, self._images = rank, together, window, images
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._begun: float | None = None  # when the call under way was made
        threading.Thread(target=self._run, name="rankkit-serve", daemon=True).start()

    def ask(self, groups: Sequence[Group], *, alone: bool = False) -> Future[list[Ranking]]:
        """The rankings of these groups, or the error of the ranker as a `RankkitError`.

        With `alone` there is nobody to wait for. Cancelled before its turn, it is never ranked.
        """
        job = Job(groups, alone)
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()
        return job.answer

    @property
    def busy(self) -> float:
        """Seconds that the call under way has taken so far; 0 where there is none."""
        begun = self._begun
        return 0.0 if begun is None else time.monotonic() - begun

    def close(self) -> None:
        """End the thread, once what waits is ranked."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while jobs := self._next():
            self._answer([job for job in jobs if job.answer.set_running_or_notify_cancel()])

    def _next(self) -> list[Job]:
        """What goes into the next call; nothing once there is to be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting or not self._together:
                return [self._waiting.popleft()] if self._waiting else []
            others_may_come = len(self._waiting) == 1 and not self._waiting[0].alone
        if others_may_come:
            time.sleep(self._window)
        with self._changed:
            jobs = [self._waiting.popleft()]
            room = self._images - jobs[0].images
            while self._waiting and (room := room - self._waiting[0].images) >= 0:
                jobs.append(self._waiting.popleft())
            return jobs

    def _answer(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        try:
            self._begun = time.monotonic()
            rankings = iter(self._rank([group for job in jobs for group in job.groups]))
        except (Exception, SystemExit) as error:
            if len(jobs) > 1 and not isinstance(error, RunStopped):
                for job in jobs:
                    self._answer([job])
                return
            ours = error if isinstance(error, RankkitError) else BrokenRanker(describe(error))
            for job in jobs:
                job.answer.set_exception(ours)
        else:
            for job in jobs:
                job.answer.set_result([next(rankings) for _ in job.groups])
        finally:
            self._begun = None
