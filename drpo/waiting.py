"""A ranker in another process or on another machine that does not answer is waited for; then the run ends."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from rankkit import Group, Ranker, Ranking, RankkitError, RunStopped
from rankkit.plugin import absence, check_rankings, say

T = TypeVar("T")
LONGEST = 10.0  # seconds between two questions whether it is back
STOPPED = threading.Event()  # by Ctrl-C or SIGTERM: nothing is waited for any more


class Patient:
    """A ranker that is waited for while it does not answer: no group is skipped because its server was away.

    `patience`: seconds from the first group without an answer until `RunStopped`, which names the ranker and
    ends the run. A ranker of this process is never waited for, nor one that answers and abstains.
    """

    def __init__(self, ranker: Ranker, name: str, patience: float) -> None:
        self.ranker, self.name, self.patience = ranker, name, patience
        self.kind = getattr(ranker, "kind", "listwise")
        self.elsewhere = absence(ranker) is not None
        self.version = version_of(ranker)
        self._free = threading.Lock()

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """The ranker's rankings of the groups, their shape checked, as soon as it answers; asked from several
        threads, it answers one after the other.

        A group counts as judged without a score only if the ranker was there when it was asked, and after.
        Raises `RankkitError` where the ranker has become another version.
        """
        with self._free:
            rankings = self._answered(groups)
            check_version(self.ranker, self.name, self.version)
            return rankings

    def _answered(self, groups: Sequence[Group]) -> list[Ranking]:
        rankings, was_there = check_rankings(self.ranker.rank(groups), groups, self.name), False
        end = time.monotonic() + self.patience
        while any(map(_unanswered, rankings)):
            reason = absence(self.ranker)
            if reason is None or (was_there and not reason):
                break
            if reason:
                self._wait(reason, end)
            rankings, was_there = check_rankings(self.ranker.rank(groups), groups, self.name), True
        return rankings

    def _wait(self, reason: str | None, end: float) -> None:
        say(f"the ranker {self.name} does not answer: {reason}; waiting up to {self.patience:g} s for it")
        pause = 0.25
        while reason:
            left = end - time.monotonic()
            if left <= 0:
                raise RunStopped(
                    f"the ranker {self.name} did not answer for {self.patience:g} s: {reason}; start it again"
                )
            if STOPPED.wait(min(pause, left)):
                raise RunStopped(f"stopped while the ranker {self.name} did not answer: {reason}")
            pause = min(2 * pause, LONGEST)
            reason = absence(self.ranker)
        say(f"the ranker {self.name} answers again")


def version_of(ranker: object) -> str:
    """The version that a built ranker states of itself now; empty where it states none."""
    stated = getattr(ranker, "version", "")
    return stated if isinstance(stated, str) else ""


def check_version(ranker: object, name: str, before: str) -> None:
    """Raise `RankkitError` where a ranker is another version than before: a curve would be of two rankers."""
    if (now := version_of(ranker)) != before:
        raise RankkitError(
            f"the ranker {name} was version {before or '(none)'} and is {now or '(none)'} now, in the middle "
            "of a run; put the first one back, or start anew with another out="
        )


def _unanswered(ranking: Ranking) -> bool:
    """Whether no candidate got a score, and there is a reason."""
    reasons = any("error" in details for details in ranking.details)
    return reasons and all(map(math.isnan, ranking.scores))


def begun(call: Callable[[], T], after: Callable[[], object] = lambda: None) -> Callable[[], T]:
    """Begin `call` in a thread, once `after` has returned or raised; what is returned waits for its answer
    and returns it, or raises what it raised.
    """
    answer: Future[T] = Future()

    def work() -> None:
        with suppress(BaseException):  # whoever began that one is told
            after()
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return answer.result
